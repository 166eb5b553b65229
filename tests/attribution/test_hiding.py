import numpy as np
import pytest
import torch
from inpaint_lens.attribution import explain
from inpaint_lens.attribution.hiding import LEAST_SIDE_PX


def copies(image, hole):
    """The fill is the picture 12 pixels further right; what is hidden counts as black."""
    return torch.roll(image * (1 - hole), -12, 3)


def read(hole):
    """Where `copies` reads the fill from, bool `[H, W]`."""
    return np.roll(hole[0, 0].bool().numpy(), 12, 1)


@pytest.fixture
def target(hole):
    """A part of the hole whose source lies in the picture."""
    inside = hole[0, 0].bool().clone()
    inside[:, 24:] = False
    return inside


def test_occlusion_adds_up_to_what_is_lost_without_each_coarse_patch(image, hole, target):
    found = explain(copies, image, hole, target=target, method="occlusion", steps=64)
    lost = image[0][:, torch.from_numpy(np.roll(target.numpy(), 12, 1))].sum().item()
    assert found.total == pytest.approx(lost, rel=1e-4)
    assert (found.contributions >= 0).all()


def test_occlusion_grows_finer_where_it_matters_only(image, hole, target):
    found = explain(copies, image, hole, target=target, method="occlusion", steps=60)
    source = np.roll(target.numpy(), 12, 1)
    near = np.zeros_like(source)
    rows, columns = np.nonzero(source)
    reach = 2 * LEAST_SIDE_PX - 1
    near[rows.min() - reach : rows.max() + reach + 1, columns.min() - reach : columns.max() + reach + 1] = True
    assert found.signed[~near].sum() == 0
    assert found.signed[source].sum() > 0.6 * found.total


@pytest.mark.parametrize("method", ["occlusion", "rise"])
@pytest.mark.parametrize("evaluations", [16, 33, 100])
def test_no_more_evaluations_are_made_than_were_allowed(image, hole, method, evaluations):
    assert explain(copies, image, hole, method=method, steps=evaluations).evaluations <= evaluations


@pytest.mark.parametrize("method", ["occlusion", "rise"])
def test_maps_do_not_depend_on_the_batch(image, hole, method):
    one = explain(copies, image, hole, method=method, steps=40, batch=1)
    other = explain(copies, image, hole, method=method, steps=40, batch=8)
    assert one.contributions.tobytes() == other.contributions.tobytes()


def test_what_is_hidden_is_shown_to_the_model_as_unknown_and_empty(image, hole):
    seen = []

    def watch(picture, hidden):
        seen.append(bool(((picture != 0) & (hidden > 0)).any()))
        return copies(picture, hidden)

    explain(watch, image, hole, method="occlusion", steps=24)
    assert seen and not any(seen)


def test_random_masks_find_the_source_and_say_how_sure_they_are(image, hole, target):
    found = explain(copies, image, hole, target=target, method="rise", steps=600)
    source = np.roll(target.numpy(), 12, 1) & ~hole[0, 0].bool().numpy()
    known = ~hole[0, 0].bool().numpy()
    assert found.signed[source].mean() > 4 * np.abs(found.signed[known & ~source]).mean()
    assert found.standard_error is not None and (found.standard_error[source] > 0).all()
    few = explain(copies, image, hole, target=target, method="rise", steps=60)
    assert few.standard_error is not None
    assert found.standard_error[source].mean() < 0.6 * few.standard_error[source].mean()


def test_a_model_that_looks_at_nothing_has_an_empty_map(image, hole):
    found = explain(lambda picture, hidden: torch.full_like(picture, 0.5), image, hole, method="occlusion", steps=24)
    assert not found.contributions.any()
    assert "no known pixel shaped" in found.sentence()
