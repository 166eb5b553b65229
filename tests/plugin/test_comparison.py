import numpy as np
import pytest
from inpaint_lens.backends.registry import Status
from inpaint_lens.imaging.errors import InputError, MissingError
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin import comparison
from inpaint_lens.plugin.operation import Source
from inpaint_lens.plugin.request import ExplainOptions, FillOptions


def test_a_backend_that_is_not_ready_is_told_before_any_work(picture, hole, monkeypatch):
    monkeypatch.setattr(comparison, "status", lambda info: Status(info.name == "telea", "needs weights: download it"))
    monkeypatch.setattr(comparison, "fill_and_explain", lambda *_: pytest.fail("work was done for nothing"))
    jobs = [(FillOptions(name), ExplainOptions("occlusion")) for name in ("telea", "navier-stokes")]
    with pytest.raises(MissingError, match="navier-stokes needs weights"):
        comparison.compare(Source(picture, hole), jobs)


def test_an_original_of_another_size_is_refused(picture, hole):
    with pytest.raises(InputError, match="another size"):
        comparison.check_original(Source(picture, hole), Picture.from_array(np.zeros((5, 6, 3), np.uint8)))


def test_a_backend_with_weights_of_ones_own_needs_none_of_the_registry(picture, hole, monkeypatch):
    asked = []
    monkeypatch.setattr(comparison, "fill_and_explain", lambda _source, how, _why, _monitor: asked.append(how))
    own = FillOptions("glcic", weights={"glcic": "mine.safetensors"})
    comparison.compare(Source(picture, hole), [(own, ExplainOptions())])
    assert asked == [own]
