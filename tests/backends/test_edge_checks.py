import json
from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.architectures import resolve
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
from inpaint_lens.backends.protocol import Holding
from inpaint_lens.backends.registry import info, own_random_state
from inpaint_lens.imaging.errors import InputError, WeightsError
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import ExplainOptions, FillOptions
from safetensors.torch import save_file
from torch import Tensor, nn

INFO = info("edgeconnect-checked")


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
DOUBTED = [0.9, 0.4, 0.3, 0.3, 0.3, 0.3], [0.2, 0.4, 0.3, 0.3, 0.3, 0.3]
"""Scores of edges and of pictures: the first candidate has the highest product and is below the least score."""


def doubting() -> list[nn.Module]:
    """Discriminators that reject the first candidate and like the second best of the others."""
    return [Scoring(*scores) for scores in DOUBTED]


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


@torch.no_grad()
def test_a_rejected_candidate_is_not_the_fill_even_with_the_highest_scores(backend, image, hole):
    (tried,) = backend.trials(image, hole)
    assert not torch.equal(tried[0].fill, tried[1].fill)
    backend.judges = doubting()
    assert torch.equal(backend(image, hole), tried[1].fill)


@torch.no_grad()
def test_the_fill_is_painted_along_thin_contours_without_specks(backend, image, hole):
    seen: list[Tensor] = []
    backend.plain.completion_stage.module.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    wide = torch.zeros_like(hole)
    wide[..., 24:29, 22:36] = 0.9
    wide[..., 31, 22] = 0.9
    backend.plain.edge_map = lambda *_args, **_options: wide
    backend(image, hole)
    edges = seen[-1][:, 3:]
    assert 10 <= edges[..., 24:29, :].sum() <= 16 and edges[..., 24:29, :].sum(2).max() == 1
    assert edges[..., 31, 22] == 0 and torch.equal(edges, tidied(edges, hole, 0.5))


def test_checks_tell_what_was_chosen_and_judge_nothing_twice(backend, image, hole):
    backend.judges = doubting()
    backend(image, hole)
    (told,) = backend.checks(image, hole)
    assert [one["chosen"] for one in told] == [False, True, False, False, False, False]
    assert [one["accepted"] for one in told] == [False, True, True, True, True, True]
    assert [one["edge_score"] for one in told] == pytest.approx(DOUBTED[0])
    assert [one["picture_score"] for one in told] == pytest.approx(DOUBTED[1])
    with pytest.raises(IndexError):  # no scores are left for another picture
        backend.checks(image.flip(3), hole)


def test_only_so_many_choices_are_remembered(backend, image, hole, monkeypatch):
    monkeypatch.setattr("inpaint_lens.backends.edge_checks.KEPT", 1)
    backend.judges = [Scoring(*[0.5] * 3 * COUNT), Scoring(*[0.5] * 3 * COUNT)]
    for picture in (image, image.flip(3), image):
        backend.checks(picture, hole)
    assert not backend.judges[0].scores


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


@torch.no_grad()
def test_held_edges_follow_the_drawn_lines_and_settings_of_the_call(backend, image, hole):
    guide = torch.zeros_like(hole)
    guide[..., 26, 23:35] = 1
    given = {"guide": guide, "settings": {"sigma": 1.0}}
    assert not torch.equal(backend(image, hole, **given), backend(image, hole))
    assert torch.equal(backend.held(image, hole)(image, hole, **given), backend(image, hole, **given))


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


def test_weights_of_the_other_discriminator_are_refused_where_they_would_load():
    first, second, of_edges, of_pictures = states()
    with pytest.raises(WeightsError, match="edgeconnect-edge-judge judge 3 channels, expected 2"):
        checked_from_state_dicts(INFO, [first, second, of_pictures, of_edges], "cpu")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Four files of weights, the discriminators first."""
    paths = [tmp_path / f"{name}.safetensors" for name in ("d", "c", "b", "a")]
    for path, state in zip(paths, reversed(states()), strict=True):
        save_file({key: value.clone().contiguous() for key, value in state.items()}, path)
    return paths


def test_four_files_in_any_order_are_the_backend_that_is_named(files):
    backend, given = resolve(files, "edgeconnect-checked")
    assert [Path(given[name]).stem for name in INFO.weights] == ["a", "b", "c", "d"]
    assert isinstance(load(backend, "cpu", given), CheckedEdgeConnect)


@torch.no_grad()
def test_one_file_of_both_generators_takes_the_place_of_two(files, image, hole, tmp_path):
    names, state = ("edgeconnect-edge", "edgeconnect-inpaint"), {}
    for name, generator in zip(names, states()[:2], strict=True):
        state |= {f"{name}.{key}": value.clone() for key, value in generator.items()}
    both = tmp_path / "both.safetensors"
    save_file(state, both)
    assert resolve([both]) == ("edgeconnect", dict.fromkeys(names, str(both)))
    fills = [
        load(found[0], "cpu", found[1])(image, hole)
        for found in (resolve(paths, INFO.name) for paths in (files, [both, *files[:2]]))
    ]
    assert torch.equal(*fills)


@pytest.mark.parametrize("backend", [None, "edgeconnect"])
def test_a_discriminator_is_no_generator_of_another_backend(files, backend):
    for file, judged in zip(files, ("pictures", "edges"), strict=False):
        told = f"discriminator of {judged} of EdgeConnect.*give the generator's, or.*--backend edgeconnect-checked"
        with pytest.raises(WeightsError, match=told):
            resolve([*files[2:], file], backend)


def test_two_files_of_one_discriminator_are_refused(files):
    with pytest.raises(InputError, match="both weights of 'edgeconnect-picture-judge'"):
        resolve([files[0], files[0]], "edgeconnect-checked")


def test_the_report_of_a_fill_tells_every_candidate_of_every_window(backend, image, hole):
    picture = Picture.from_array((image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    backend.judges = doubting()
    options = FillOptions("edgeconnect-checked", context_px=64, feather_px=0, settings={"sigma": 1.0})
    outcome = fill_and_explain(Source(picture, Hole(hole[0, 0].numpy() > 0)), options, backend=backend)
    report = json.loads(json.dumps(outcome.report(), allow_nan=False))
    (window,) = report["checks"]
    assert [one["edge_score"] for one in window] == pytest.approx(DOUBTED[0])
    assert [one["chosen"] for one in window].index(True) == 1
    assert {one["sigma"] for one in window} == {0.5, 1.0, 1.5}


def test_an_explanation_follows_the_chosen_edges(backend, image, hole):
    picture = Picture.from_array((image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    why = ExplainOptions("path-ig", steps=8, tolerance_percent=50)
    source = Source(picture, Hole(hole[0, 0].numpy() > 0))
    outcome = fill_and_explain(source, FillOptions(context_px=64, feather_px=0), why, backend=backend)
    assert outcome.explanation is not None
    assert outcome.explanation.signed.any() and outcome.explanation.report()["converged"]


def test_a_backend_that_judges_nothing_reports_no_checks(backend, image, hole):
    picture = Picture.from_array((image[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8))
    source = Source(picture, Hole(hole[0, 0].numpy() > 0))
    assert "checks" not in fill_and_explain(source, FillOptions(context_px=64), backend=backend.plain).report()
