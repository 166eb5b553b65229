import numpy as np
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import ExplainOptions, FillOptions


def test_the_outline_layer_goes_around_a_scattered_region_and_not_around_each_pixel(picture, hole, toy):
    scattered = np.random.default_rng(0).random((64, 64)) < 0.5
    outcome = fill_and_explain(Source(picture, hole), FillOptions(), ExplainOptions(steps=4), backend=toy())
    explanation = outcome.explanation
    assert explanation is not None
    region = np.zeros_like(explanation.region)
    rows, columns = (min(a, b) for a, b in zip(region.shape, scattered.shape, strict=True))
    region[:rows, :columns] = scattered[:rows, :columns] & ~hole.mask[explanation.box.slices][:rows, :columns]
    object.__setattr__(explanation, "region", region)
    outlined = outcome.layers()[-1].pixels[..., 3] > 0
    assert 0 < outlined.sum() < 0.5 * region.sum()
