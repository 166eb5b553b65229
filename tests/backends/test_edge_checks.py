from dataclasses import replace

import numpy as np
import pytest
import torch
from inpaint_lens.backends.catalog import BUILT_IN
from inpaint_lens.backends.edge_checks import (
    SIGMAS,
    THRESHOLDS,
    CheckedEdgeConnect,
    Trial,
    best,
    checked_from_state_dicts,
    in_hole,
    tidied,
)
from inpaint_lens.backends.nets.edgeconnect import Discriminator, EdgeGenerator, InpaintGenerator
from inpaint_lens.backends.protocol import Holding, Setting
from inpaint_lens.backends.registry import own_random_state
from inpaint_lens.imaging.errors import WeightsError
from torch import nn

PLAIN = next(info for info in BUILT_IN if info.name == "edgeconnect")
NETS = "inpaint_lens.backends.nets.edgeconnect:"
INFO = replace(
    PLAIN,
    name="edgeconnect-checked",
    weights=(*PLAIN.weights, "edgeconnect-edge-judge", "edgeconnect-picture-judge"),
    networks=(*PLAIN.networks, f"{NETS}edge_discriminator", f"{NETS}rgb_discriminator"),
    settings=(*PLAIN.settings, Setting("least", 0.25, "least score that is believed", low=0, high=1)),
)


def states():
    with own_random_state():
        torch.manual_seed(0)
        networks = (
            EdgeGenerator(width=8, blocks=1),
            InpaintGenerator(width=8, blocks=1),
            Discriminator(2, 4),
            Discriminator(3, 4),
        )
        return [network.state_dict() for network in networks]


@pytest.fixture
def backend() -> CheckedEdgeConnect:
    return checked_from_state_dicts(INFO, states(), "cpu")


@pytest.fixture
def image() -> torch.Tensor:
    """Blocks of colours with sharp borders, `[1, 3, 64, 64]`."""
    blocks = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(7))
    return blocks.repeat_interleave(16, 2).repeat_interleave(16, 3)


class Scoring(nn.Module):
    """A discriminator that gives each of its calls the next of some scores."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = list(scores)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        return torch.full((len(picture), 1, 6, 6), self.scores.pop(0)), []


COUNT = len(SIGMAS) * len(THRESHOLDS)


def test_candidates_differ_in_smoothing_and_threshold(backend, image, hole):
    (tried,) = backend.trials(image, hole)
    assert len({(trial.sigma, trial.threshold) for trial in tried}) == COUNT
    assert len({trial.edges.numpy().tobytes() for trial in tried}) > 1


def test_what_a_discriminator_does_not_believe_is_dropped_and_scores_are_told(backend, image, hole):
    edges, pictures = [0.9, 0.1, 0.5, 0.5, 0.5, 0.5], [0.2, 0.9, 0.5, 0.6, 0.5, 0.5]
    backend.judges = [Scoring(*edges), Scoring(*pictures)]
    (tried,) = backend.trials(image, hole)
    assert [trial.accepted for trial in tried] == [False, False, True, True, True, True]
    assert best(tried) is tried[3]
    backend.judges = [Scoring(*edges), Scoring(*pictures)]
    (told,) = backend.checks(image, hole)
    assert [one["edge_score"] for one in told] == pytest.approx(edges)
    assert [one["picture_score"] for one in told] == pytest.approx(pictures)


def test_the_least_score_is_a_setting(backend, image, hole):
    backend.judges = [Scoring(*[0.5] * COUNT), Scoring(*[0.5] * COUNT)]
    (tried,) = backend.trials(image, hole, settings={"least": 0.6})
    assert not any(trial.accepted for trial in tried)


def test_without_a_credible_map_the_best_is_taken_and_that_is_said(caplog):
    maps = torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 4, 4)
    tried = [Trial(1.0, 0.5, *maps, score, 0.1, False) for score in (0.1, 0.2)]
    assert best(tried) is tried[1]
    assert "None of 2 edge maps was credible" in caplog.text


@torch.no_grad()
def test_the_fill_is_that_of_the_chosen_candidate(backend, image, hole):
    (tried,) = backend.trials(image, hole)
    assert torch.equal(backend(image, hole), best(tried).fill)


def test_every_picture_of_a_batch_has_its_own_choice(backend, image, hole):
    other = image.flip(3)
    both = backend(torch.cat([image, other]), hole.expand(2, -1, -1, -1))
    assert torch.allclose(both[:1], backend(image, hole), atol=1e-5)
    assert torch.allclose(both[1:], backend(other, hole), atol=1e-5)


@torch.no_grad()
def test_excluded_pixels_have_no_effect_on_the_choice(backend, image, hole, exclude):
    hidden = torch.maximum(hole, exclude)
    other = torch.where(hidden > 0, 1 - image, image)
    tried, again = (backend.trials(one, hole, exclude=exclude)[0] for one in (image, other))
    assert [trial.report() for trial in tried] == [trial.report() for trial in again]


def test_the_chosen_edges_can_be_held_for_gradients(backend, image, hole):
    held = backend.held(image, hole)
    blurred = (0.5 * image + 0.25).requires_grad_()
    output = held(torch.cat([blurred, image]), hole.expand(2, -1, -1, -1))
    (gradient,) = torch.autograd.grad((output * hole).sum(), blurred)
    assert gradient.any() and not (gradient * hole).any()
    assert torch.allclose(output[1:], backend(image, hole), atol=1e-5)
    assert isinstance(backend, Holding)


def test_drawn_lines_stay_in_every_candidate(backend, image, hole):
    guide = torch.zeros_like(hole)
    guide[..., 26, 23:25] = 1
    (tried,) = backend.trials(image, hole, guide=guide)
    assert all(torch.equal(trial.edges * guide, guide) for trial in tried)


def test_contours_become_thin_and_specks_go():
    likely, hole = torch.zeros(1, 1, 20, 20), torch.zeros(1, 1, 20, 20)
    hole[..., 5:15, 5:15] = 1
    likely[..., 9:12, 6:14] = 0.7
    likely[..., 13, 13] = 0.9
    likely[..., 2, :] = 1
    likely[..., 4, 7], likely[..., 5, 7] = 1, 0.9
    found = tidied(likely, hole, 0.5)[0, 0]
    assert found[13, 13] == 0
    assert found[5, 7] == 1, "a short edge that goes on from a known one is a contour"
    assert torch.equal(found[2], torch.ones(20)) and found[9:12].sum(0).max() == 1
    assert found[9:12].sum() >= 5


def test_the_threshold_is_of_the_hole_alone():
    likely, hole = torch.full((1, 1, 12, 12), 0.4), torch.zeros(1, 1, 12, 12)
    hole[..., :6] = 1
    assert not tidied(likely, hole, 0.5).any()
    lower = tidied(likely, hole, 0.3)
    assert lower[..., :6].any() and not lower[..., 6:].any()


def test_only_patches_that_touch_the_hole_are_asked():
    hole = torch.zeros(2, 1, 8, 8)
    hole[0, ..., 0, 0] = 1
    scores = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).expand(2, 1, 2, 2)
    assert in_hole(scores, hole).tolist() == pytest.approx([1.0, 0.25])


def test_discriminators_see_the_grey_picture_with_edges_and_the_picture(backend, image, hole):
    seen: list[torch.Tensor] = []
    for judge in backend.judges:
        judge.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    (tried,) = backend.trials(image, hole)
    of_edges, of_picture = seen[:2]
    assert of_edges.shape == (1, 2, 64, 64) and torch.equal(of_edges[:, 1:], tried[0].edges)
    composite = image * (1 - hole) + tried[0].fill * hole
    assert torch.equal(of_picture, composite)
    wanted = np.tensordot(composite[0].numpy(), (0.2125, 0.7154, 0.0721), (0, 0))
    assert of_edges[0, 0].numpy() == pytest.approx(wanted, abs=1e-5)


def test_weights_of_another_discriminator_are_refused():
    first, second, _, of_pictures = states()
    with pytest.raises(WeightsError, match="edgeconnect-edge-judge do not fit"):
        checked_from_state_dicts(INFO, [first, second, {"a": torch.zeros(1)}, of_pictures], "cpu")
