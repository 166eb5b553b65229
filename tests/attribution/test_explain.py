import json

import numpy as np
import pytest
import torch
from inpaint_lens.attribution import METHODS, explain
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from torch import nn

ANY_MODEL = [name for name, method in METHODS.items() if not method.asks_sources]
GRADIENT_METHODS = [name for name, method in METHODS.items() if method.differentiable]


def network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Conv2d(4, 12, 5, padding=2), nn.Tanh(), nn.Conv2d(12, 12, 7, padding=9, dilation=3)
        return nn.Sequential(*layers, nn.Tanh(), nn.Conv2d(12, 3, 5, padding=2), nn.Sigmoid())


NET = network()


def reads_everything(image, hole):
    """A network that reads hole pixels as well."""
    return NET(torch.cat([image, hole], 1))


def ignores_the_hole(image, hole):
    return NET(torch.cat([image * (1 - hole), hole], 1))


def copies_from_the_left(image, hole):
    """Each pixel of the fill is the one 12 pixels to its left."""
    return torch.roll(image, 12, 3)


@pytest.mark.parametrize("method", ANY_MODEL)
@pytest.mark.parametrize("model", [ignores_the_hole, reads_everything])
def test_hole_gets_exactly_nothing(image, hole, method, model):
    found = explain(model, image, hole, method=method)
    assert not found.contributions[:, hole[0, 0].bool().numpy()].any() and found.contributions.any()


@pytest.mark.parametrize("method", ANY_MODEL)
def test_constant_network_has_no_reason(image, hole, method):
    found = explain(lambda image, hole: image * 0 + 0.5, image, hole, method=method)
    assert not found.contributions.any() and found.error_percent in (0.0, None)
    assert "no known pixel" in found.sentence()


def test_what_was_in_the_hole_before_does_not_matter(image, hole):
    other = torch.where(hole > 0, torch.full_like(image, float("nan")), image)
    first, second = explain(reads_everything, image, hole), explain(reads_everything, other, hole)
    assert first.contributions.tobytes() == second.contributions.tobytes()


def test_a_copied_fill_is_explained_by_what_was_copied(image, hole):
    found = explain(copies_from_the_left, image, hole)
    assert (np.argwhere(found.magnitude > 0)[:, 1] < 16).all()
    assert found.magnitude[11:21, 4:13].sum() == pytest.approx(found.magnitude.sum())
    assert found.converged and "to the left" in found.sentence()


@pytest.mark.parametrize("objective", ["gradient", "intensity"])
def test_contributions_add_up_to_the_change(image, hole, objective):
    found = explain(reads_everything, image, hole, objective=objective)
    change = found.value_image - (found.value_baseline or 0)
    assert found.error_percent == pytest.approx(100 * abs(found.contributions.sum() - change) / abs(change), abs=0.01)
    assert found.converged and found.evaluations <= 16


def test_linear_copy_has_the_closed_form(image, hole):
    """Brightness of a copied fill: the sharp minus the blurred picture where it was copied from."""
    found = explain(copies_from_the_left, image, hole, objective="intensity", keep_steps=True)
    read = np.roll(found.target, -12, 1)
    difference = (found.steps[-1].image - found.steps[0].image).transpose(2, 0, 1)
    np.testing.assert_allclose(found.contributions, difference * read, atol=1e-4)


@pytest.mark.parametrize("method", ANY_MODEL)
def test_same_call_gives_the_same_bytes(image, hole, method):
    maps = [explain(reads_everything, image, hole, method=method, seed=4).contributions for _ in range(2)]
    assert maps[0].tobytes() == maps[1].tobytes()


def test_a_model_that_draws_numbers_gives_the_same_bytes_for_the_same_seed(image, hole):
    def noisy(image, hole):
        return reads_everything(image + 0.1 * torch.randn_like(image), hole)

    maps = [explain(noisy, image, hole, seed=seed, batch=1).contributions.tobytes() for seed in (1, 1, 2)]
    assert maps[0] == maps[1] != maps[2]


@pytest.mark.parametrize("method", ANY_MODEL)
def test_result_does_not_depend_on_the_batch(image, hole, method):
    one, many = (explain(reads_everything, image, hole, method=method, batch=size) for size in (1, 7))
    np.testing.assert_allclose(one.contributions, many.contributions, atol=1e-5)
    assert one.evaluations == many.evaluations


@pytest.mark.parametrize("steps", [2, 5, 9])
@pytest.mark.parametrize("method", ["path-ig", "integrated-gradients"])
def test_steps_are_network_evaluations(image, hole, method, steps):
    if method == "integrated-gradients" and steps == 2:
        with pytest.raises(InputError, match="from 3"):
            explain(reads_everything, image, hole, method=method, steps=steps)
    else:
        assert explain(reads_everything, image, hole, method=method, steps=steps).evaluations == steps


def test_target_window_explains_only_that_part(image, hole):
    target = np.zeros((32, 36), bool)
    target[12:16, 17:21] = True
    found = explain(copies_from_the_left, image, hole, target=target)
    assert found.magnitude[12:16, 5:9].sum() == pytest.approx(found.magnitude.sum()) and found.magnitude.any()
    assert "this part of the fill" in found.sentence()


def test_steps_are_kept_in_order_if_asked(image, hole):
    steps = explain(reads_everything, image, hole, keep_steps=True, steps=5).steps
    assert [step.alpha for step in steps] == [0, 0.25, 0.5, 0.75, 1]
    assert steps[0].image.shape == steps[0].restored.shape == (32, 36, 3) and steps[0].activation.shape == (32, 36)
    restored = reads_everything(image * (1 - hole), hole).detach()[0].permute(1, 2, 0)
    np.testing.assert_allclose(steps[-1].restored, restored, atol=1e-6)


def test_picture_without_detail_is_explained_with_a_warning(hole):
    found = explain(reads_everything, torch.full((1, 3, 32, 36), 0.4), hole)
    assert not found.baseline.reached and found.converged and "so smooth" in found.sentence()
    json.dumps(found.to_json(), allow_nan=False)


def test_gradients_that_are_not_finite_are_counted_and_left_out(image, hole):
    def infinite_slope(image, hole):
        return torch.roll(image, 12, 3) + torch.sqrt((image * 0).sum((1, 2, 3), keepdim=True))

    found = explain(infinite_slope, image, hole)
    assert found.nonfinite > 0 and np.isfinite(found.contributions).all() and "not finite" in found.sentence()


def test_a_tolerance_that_is_missed_is_told(image, hole):
    found = explain(reads_everything, image, hole, tolerance_percent=1e-9, max_evaluations=9)
    assert found.converged is False and found.evaluations == 9 and "over the tolerance" in found.sentence()


def test_memory_running_out_halves_the_batch(image, hole, caplog):
    sizes = []

    def greedy(image, hole):
        sizes.append(len(image))
        if len(image) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return reads_everything(image, hole)

    found = explain(greedy, image, hole, batch=8, steps=8)
    assert sizes == [8, 4, 2, 2, 2, 2] and found.evaluations == 8 and "Out of memory" in caplog.text
    expected = explain(reads_everything, image, hole, batch=2, steps=8)
    assert found.contributions.tobytes() == expected.contributions.tobytes()


@pytest.mark.parametrize("method", ANY_MODEL)
def test_cancelling_stops_within_one_batch(image, hole, method):
    token, calls = CancelToken(), []

    def model(image, hole):
        calls.append(1)
        if len(calls) == 1:
            token.cancel()
        return reads_everything(image, hole)

    with pytest.raises(Cancelled):
        explain(model, image, hole, method=method, batch=2, monitor=Monitor(token=token))
    assert len(calls) == 1


def test_progress_only_grows_and_ends_at_one(image, hole):
    shares = []
    explain(reads_everything, image, hole, batch=2, monitor=Monitor(lambda stage, share: shares.append(share)))
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 3


@pytest.mark.parametrize("method", GRADIENT_METHODS)
@pytest.mark.parametrize("how", ["detached", "numpy", "unused"])
def test_a_model_without_gradients_is_told_to_use_occlusion(image, hole, method, how):
    weight = torch.ones(1, requires_grad=True)
    models = {
        "detached": lambda image, hole: copies_from_the_left(image, hole).detach(),
        "numpy": lambda image, hole: torch.from_numpy(np.roll(image.numpy(), 12, 3)),
        "unused": lambda image, hole: copies_from_the_left(image.detach(), hole) * weight,
    }
    with pytest.raises(InputError, match="--method occlusion"):
        explain(models[how], image, hole, method=method)


def test_occlusion_works_with_a_model_without_gradients(image, hole):
    found = explain(
        lambda image, hole: torch.from_numpy(np.roll(image.numpy(), 12, 3)), image, hole, method="occlusion"
    )
    assert found.magnitude[:, 26:].sum() == 0 and found.magnitude[11:21, 4:13].sum() > 0
    assert found.evaluations <= 128 and found.converged is None and "cannot check" in found.sentence()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "path-gi"}, "Did you mean"),
        ({"steps": 1}, "from 2"),
        ({"steps": "many"}, "auto"),
        ({"tolerance_percent": 0}, "above 0"),
        ({"threshold_percent": 50}, "between 5 and 20"),
        ({"smooth": "box"}, "none, mean, gaussian, median"),
        ({"batch": 0}, "batch size"),
        ({"baseline": "black"}, "no baseline"),
        ({"objective": "hue"}, "objective"),
        ({"method": "gradient", "keep_steps": True}, "path-ig"),
        ({"max_evaluations": 1}, "needs 2"),
        ({"target": np.ones((32, 36), bool)}, "inside of the hole"),
        ({"target": np.zeros((32, 36), bool)}, "at least one pixel"),
        ({"target": np.ones((3, 3), bool)}, "was expected"),
        ({"hole": torch.zeros(1, 1, 32, 36)}, "hole is empty"),
        ({"hole": torch.ones(1, 1, 32, 36)}, "covers all"),
        ({"hole": torch.ones(1, 1, 8, 8)}, "was expected"),
        ({"image": torch.zeros(3, 32, 36)}, "was expected"),
        ({"image": torch.full((1, 3, 32, 36), float("nan"))}, "not finite"),
        ({"model": lambda image, hole: image[..., :4]}, "shape of its input"),
        ({"model": lambda image, hole: image / 0}, "not finite"),
    ],
)
def test_what_cannot_be_explained_is_told_in_one_sentence(image, hole, options, words):
    arguments = {"model": reads_everything, "image": image, "hole": hole} | options
    with pytest.raises(InputError, match=words):
        explain(**arguments)
