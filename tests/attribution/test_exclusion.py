import numpy as np
import pytest
import torch
from inpaint_lens.attribution.exclusion import exclusion_test, seed_spread
from inpaint_lens.imaging.errors import InputError


def copies(image, hole):
    return torch.roll(image * (1 - hole), -12, 3)


@pytest.fixture
def target(hole):
    inside = hole[0, 0].bool().numpy().copy()
    inside[:, 24:] = False
    return inside


@pytest.fixture
def source(target):
    return np.roll(target, 12, 1)


def test_hiding_the_source_changes_the_fill_by_what_was_there(image, hole, source, target):
    found = exclusion_test(copies, image, hole, source, target)
    lost = 255 * image[0].numpy()[:, source].mean()
    assert found.change == pytest.approx(lost, rel=1e-5)
    assert found.region_px == source.sum()
    assert found.elsewhere == (0.0,) * 4
    assert found.times is None


def test_controls_hide_as_many_known_pixels_and_none_of_the_region(image, hole, source, target):
    hidden = []

    def watch(picture, unknown):
        hidden.append((unknown - hole)[0, 0].bool().numpy())
        return copies(picture, unknown)

    exclusion_test(watch, image, hole, source, target, controls=3)
    assert [lost.sum() for lost in hidden] == [0] + [source.sum()] * 4
    assert not any((lost & source).any() for lost in hidden[2:])


def test_a_region_that_matters_no_more_than_others_is_told_so(image, hole, source, target):
    elsewhere = np.zeros_like(source)
    elsewhere[:4, :4] = True
    found = exclusion_test(lambda i, h: copies(i, h) + h.sum(), image, hole, elsewhere, target)
    assert found.change == pytest.approx(np.mean(found.elsewhere), rel=0.5)
    assert exclusion_test(copies, image, hole, elsewhere, target).change == 0
    assert "matters no more" in exclusion_test(copies, image, hole, elsewhere, target).sentence


def test_a_region_inside_of_the_hole_is_refused(image, hole, target):
    with pytest.raises(InputError, match="lies wholly in the hole"):
        exclusion_test(copies, image, hole, target, target)


def test_the_spread_is_the_mean_difference_to_the_first(target):
    fills = torch.stack([torch.zeros(3, *target.shape), torch.full((3, *target.shape), 0.1)])
    assert seed_spread(fills, target) == pytest.approx(25.5)
    assert seed_spread(fills[:1], target) == 0
