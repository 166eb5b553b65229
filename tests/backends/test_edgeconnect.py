from typing import cast

import numpy as np
import pytest
import torch
from inpaint_lens.backends.edgeconnect import EdgeConnect, canny_edges, from_state_dicts, grey
from inpaint_lens.backends.nets.edgeconnect import EdgeGenerator, InpaintGenerator
from inpaint_lens.backends.protocol import BackendInfo, Holding, Setting
from inpaint_lens.backends.registry import own_random_state
from inpaint_lens.imaging.errors import Cancelled, InputError, WeightsError
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.size_rule import SizeRule
from skimage.color import rgb2gray
from skimage.feature import canny

INFO = BackendInfo(
    name="edgeconnect",
    title="EdgeConnect",
    loader="inpaint_lens.backends.edgeconnect:load",
    licence="CC-BY-NC-4.0",
    commercial_use=False,
    size_rule=SizeRule(minimum=12, multiple_of=4, largest=512),
    differentiable=True,
    weights=("edgeconnect-edge", "edgeconnect-inpaint"),
    networks=(
        "inpaint_lens.backends.nets.edgeconnect:edge_generator",
        "inpaint_lens.backends.nets.edgeconnect:inpaint_generator",
    ),
    guide="edges",
    settings=(
        Setting("edges", "drawn", "drawn lines instead of or beside generated ones", choices=("drawn", "both")),
        Setting("sigma", 2.0, "smoothing before edges are found, px", low=0, high=5),
    ),
)


def states():
    with own_random_state():
        torch.manual_seed(0)
        return [EdgeGenerator(width=8, blocks=1).state_dict(), InpaintGenerator(width=8, blocks=1).state_dict()]


@pytest.fixture
def backend() -> EdgeConnect:
    return from_state_dicts(INFO, states(), "cpu")


@pytest.fixture
def image() -> torch.Tensor:
    """Blocks of colours with sharp borders and a little noise, `[1, 3, 64, 64]`."""
    generator = torch.Generator().manual_seed(7)
    blocks = torch.rand(1, 3, 4, 4, generator=generator).repeat_interleave(16, 2).repeat_interleave(16, 3)
    return (blocks + 0.02 * torch.rand(1, 3, 64, 64, generator=generator)).clamp(0, 1)


@pytest.fixture
def guide() -> torch.Tensor:
    """A line through the hole and beyond it, `[1, 1, 64, 64]`."""
    guide = torch.zeros(1, 1, 64, 64)
    guide[..., 26, 8:56] = 1
    return guide


def seen_by(stage) -> list[torch.Tensor]:
    """What a network of the backend is called with."""
    seen: list[torch.Tensor] = []
    stage.module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach()))
    return seen


@torch.no_grad()
def test_both_networks_see_what_the_published_ones_were_trained_on(backend, image, hole):
    edge_inputs, inputs = seen_by(backend.edge_stage), seen_by(backend.completion_stage)
    backend(image, hole)
    inside = hole[0, 0] > 0
    picture, known, mask = edge_inputs[0][0]
    expected = rgb2gray(image[0].permute(1, 2, 0).numpy().astype(np.float64))
    edges = canny(expected, sigma=2.0, mask=~inside.numpy())
    assert edges.sum() > 100
    assert np.allclose(picture[~inside], expected[~inside], atol=1e-6)
    assert (picture[inside] == 1).all()
    assert np.array_equal(known.numpy(), edges)
    assert torch.equal(mask, hole[0, 0])
    assert torch.equal(inputs[0][0, :3], torch.where(inside, 1.0, image[0]))
    assert torch.equal(inputs[0][:, 3:], backend.edge_map(image, hole))


@torch.no_grad()
def test_the_edge_map_is_cannys_outside_and_the_generators_inside(backend, image, hole):
    edges = backend.edge_map(image, hole)
    known = canny_edges(image, hole, 2.0)
    packed = torch.cat([grey(image) * (1 - hole) + hole, known, hole], 1)
    generated = backend.edge_stage.module(packed)
    assert torch.equal(edges, torch.where(hole > 0, generated, known))


@torch.no_grad()
def test_sigma_is_that_of_the_edge_detector(backend, image, hole):
    counts = []
    for sigma in (0.0, 2.0, 5.0):
        expected = canny(rgb2gray(image[0].permute(1, 2, 0).double().numpy()), sigma=sigma, mask=hole[0, 0].numpy() < 1)
        edges = backend.edge_map(image, hole, settings={"sigma": sigma})
        assert np.array_equal(edges[0, 0][hole[0, 0] < 1].numpy(), expected[hole[0, 0].numpy() < 1])
        counts.append(int(expected.sum()))
    assert len(set(counts)) == 3


@torch.no_grad()
def test_what_is_hidden_has_no_effect_and_makes_no_edges(backend, image, hole, exclude):
    hidden = torch.maximum(hole, exclude)
    other = torch.where(hidden > 0, 1 - image, image)
    assert torch.equal(backend(image, hole, exclude=exclude), backend(other, hole, exclude=exclude))
    assert not (canny_edges(image, hidden, 2.0) * hidden).any()
    assert not torch.equal(backend(image, hole, exclude=exclude), backend(image, hole))


@torch.no_grad()
def test_drawn_lines_are_the_edges_in_the_hole_and_the_generator_is_not_asked(backend, image, hole, guide):
    asked = seen_by(backend.edge_stage)
    edges = backend.edge_map(image, hole, guide=guide)
    assert torch.equal(edges * hole, guide * hole)
    assert torch.equal(edges * (1 - hole), canny_edges(image, hole, 2.0))
    assert not asked
    assert not torch.equal(backend(image, hole, guide=guide), backend(image, hole))


@torch.no_grad()
def test_drawn_lines_join_the_generated_edges_where_both_are_asked_for(backend, image, hole, guide):
    edges = backend.edge_map(image, hole, guide=guide, settings={"edges": "both"})
    assert torch.equal(edges, torch.maximum(backend.edge_map(image, hole), guide * hole))


@pytest.mark.parametrize("edges", ["drawn", "both"])
@torch.no_grad()
def test_lines_outside_of_the_hole_have_no_effect(backend, image, hole, exclude, guide, edges):
    chosen = {"edges": edges}
    beyond = guide * (1 - hole)
    given = backend(image, hole, exclude=exclude, guide=guide, settings=chosen)
    assert torch.equal(given, backend(image, hole, exclude=exclude, guide=guide * hole, settings=chosen))
    given = backend(image, hole, exclude=exclude, guide=beyond, settings=chosen)
    assert torch.equal(given, backend(image, hole, exclude=exclude, settings=chosen))


@pytest.mark.parametrize("edges", ["drawn", "both"])
@torch.no_grad()
def test_pictures_of_a_batch_do_not_influence_one_another(backend, image, hole, guide, edges):
    images, holes = torch.cat([image, image.flip(-1)]), torch.cat([hole, hole.flip(-2)])
    guides = torch.cat([guide, torch.zeros_like(guide)])
    together = backend(images, holes, guide=guides, settings={"edges": edges})
    for index in range(2):
        one = slice(index, index + 1)
        alone = backend(images[one], holes[one], guide=guides[one], settings={"edges": edges})
        assert torch.allclose(together[one], alone, atol=1e-6)
    assert torch.equal(together, backend(images, holes, guide=guides, settings={"edges": edges}))


def test_gradients_reach_what_is_known_and_nothing_that_is_hidden(backend, image, hole, exclude):
    image.requires_grad_()
    (backend(image, hole, exclude=exclude) * hole).sum().backward()
    assert image.grad is not None
    hidden = (torch.maximum(hole, exclude) > 0).expand_as(image)
    assert not image.grad[hidden].any()
    assert image.grad[~hidden].abs().sum() > 0


def test_held_edges_make_the_output_as_smooth_as_its_gradient_says(backend, image, hole, exclude):
    for stage in (backend.edge_stage, backend.completion_stage):
        stage.module.double()
    image, hole, exclude = image.double(), hole.double(), exclude.double()
    held = backend.held(image, hole, exclude=exclude)
    image.requires_grad_()
    (held(image, hole, exclude=exclude) * hole).sum().backward()
    assert image.grad is not None
    step = 1e-5
    with torch.no_grad():
        for place in ((0, 0, 15, 30), (0, 1, 33, 21), (0, 2, 50, 60)):
            change = torch.zeros_like(image)
            change[place] = step
            more, less = (held(image + sign * change, hole, exclude=exclude) * hole for sign in (1, -1))
            slope = (more - less).sum() / (2 * step)
            assert slope.item() == pytest.approx(image.grad[place].item(), rel=1e-4, abs=1e-9)


def test_explanations_can_tell_that_edges_are_to_be_held(backend):
    assert isinstance(backend, Holding)


@torch.no_grad()
def test_a_held_backend_is_the_plain_one_for_the_same_picture_and_keeps_its_edges_for_others(
    backend, image, hole, exclude
):
    held = backend.held(image, hole, exclude=exclude)
    other = image.flip(-1)
    assert torch.equal(held(image, hole, exclude=exclude), backend(image, hole, exclude=exclude))
    settings = {"sigma": 1.0}
    kept = held.edge_map(torch.cat([other, image]), hole.expand(2, -1, -1, -1), settings=settings)
    known = canny_edges(image, torch.maximum(hole, exclude), 1.0)
    assert torch.equal(kept * (1 - hole), known.expand(2, -1, -1, -1) * (1 - hole))
    assert torch.equal(backend.edge_map(other, hole)[hole < 1], canny_edges(other, hole, 2.0)[hole < 1])
    again = held.held(other, hole)
    assert torch.equal(again(other, hole), backend(other, hole))


@torch.no_grad()
def test_along_a_path_of_blurred_pictures_only_the_held_output_changes_smoothly(backend, image, hole):
    blurred = torch.nn.functional.avg_pool2d(image, 9, 1, 4, count_include_pad=False)
    shares = torch.linspace(0, 1, 33).view(-1, 1, 1, 1)
    path, holes = blurred + shares * (image - blurred), hole.expand(33, -1, -1, -1)
    steps = [
        (fill[1:] - fill[:-1]).abs().amax((1, 2, 3))
        for fill in (backend(path, holes), backend.held(image, hole)(path, holes))
    ]
    assert steps[1].max() < 0.5 * steps[0].max()


def test_a_cancelled_token_stops_the_fill_and_progress_runs_through_both_stages(backend, image, hole):
    shares: list[float] = []
    backend(image, hole, monitor=Monitor(lambda _, share: shares.append(share)))
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert any(0 < share < 0.5 for share in shares)
    assert shares[-1] > 0.9
    monitor = Monitor()
    monitor.token.cancel()
    with pytest.raises(Cancelled):
        backend(image, hole, monitor=monitor)


def test_wrong_settings_and_wrong_weights_are_told_in_a_sentence(backend, image, hole):
    with pytest.raises(InputError, match="sigma"):
        backend(image, hole, settings={"sigma": 9.0})
    with pytest.raises(WeightsError, match="edgeconnect-edge do not fit"):
        from_state_dicts(INFO, states()[::-1], "cpu")
    edges, completion = states()
    completion.popitem()
    with pytest.raises(WeightsError, match="edgeconnect-inpaint do not fit: 1 of"):
        from_state_dicts(INFO, [edges, completion], "cpu")


@torch.no_grad()
def test_weights_that_torch_before_1_0_wrote_fill_as_new_ones_do(backend, image, hole):
    edges, completion = states()
    normalised = EdgeGenerator(width=8, blocks=1).eval()
    normalised.load_state_dict(edges)
    normalised(torch.zeros(1, 3, 16, 16))
    old = {key: value for key, value in edges.items() if not key.endswith("weight_v")}
    for key in [key for key in edges if key.endswith("weight_orig")]:
        layer, name = key.removesuffix(".weight_orig"), key.removesuffix("_orig")
        old[name] = cast(torch.Tensor, normalised.get_submodule(layer).weight)
    old_backend = from_state_dicts(INFO, [old, completion], "cpu")
    assert torch.allclose(old_backend(image, hole), backend(image, hole), atol=1e-4)
