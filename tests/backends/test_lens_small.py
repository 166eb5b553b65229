import numpy as np
import pytest
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.exemplar.provenance import Provenance
from inpaint_lens.backends.lens_small import (
    NETWORK_PX,
    NETWORK_SHARE,
    SHADES_SIGMA_PX,
    GuidedCopies,
    blurred,
    combined,
    guided_by,
)
from inpaint_lens.backends.network import NetworkBackend
from inpaint_lens.backends.protocol import Backend, Holding
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.errors import Cancelled
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.plugin import explaining
from inpaint_lens.plugin.explaining import explain
from inpaint_lens.plugin.filling import fill
from inpaint_lens.plugin.request import ExplainOptions, FillOptions
from scipy import ndimage
from torch import Tensor, nn


class Painter(nn.Module):
    """A network that always paints the same picture, and adds a little of the mean of what is known."""

    def __init__(self, painted: Tensor) -> None:
        super().__init__()
        self.painted = painted

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        return self.painted + 0.1 * (image * (1 - hole)).mean((1, 2, 3), keepdim=True)


def painting(painted: Tensor) -> GuidedCopies:
    """The backend with a network that paints this."""
    return GuidedCopies(info("lens-small"), NetworkBackend(info("lens-small"), Painter(painted), "cpu"))


def sources_of(image: Tensor, hole: Tensor, exclude: Tensor | None, drawn: Tensor) -> Provenance:
    """From where the fill is copied, of a picture that has known patches."""
    found = guided_by(image, hole, exclude, drawn, 0, Monitor())
    assert found is not None
    return found


def two_textures(border: int) -> Tensor:
    """Fine stripes, red as far as the column `border` and blue after it, `[1, 3, 96, 192]`."""
    picture = torch.zeros(1, 3, 96, 192)
    picture[:, 0, :, :border] = 0.8
    picture[:, 2, :, border:] = 0.8
    picture[:, :, ::4] += 0.2
    picture[:, :, 1::4] += 0.2
    return picture


@pytest.fixture
def backend() -> GuidedCopies:
    loaded = load("lens-small", "cpu")
    assert isinstance(loaded, GuidedCopies)
    return loaded


def test_it_is_a_backend_that_is_held_along_a_path(backend):
    assert isinstance(backend, Backend)
    assert isinstance(backend, Holding)
    assert backend.info is info("lens-small")


@torch.no_grad()
def test_colours_under_the_hole_and_under_exclude_do_not_change_the_fill(backend, image, hole, exclude):
    hidden = torch.maximum(hole, exclude)
    other = torch.where(hidden > 0, 1 - image, image)
    first, second = (backend(picture, hole, exclude=exclude) for picture in (image, other))
    inside = hole.expand_as(image) > 0
    assert torch.equal(first[inside], second[inside])


@torch.no_grad()
def test_outside_of_the_hole_the_picture_is_given_back(backend, image, hole, exclude):
    known = hole.expand_as(image) == 0
    assert torch.equal(backend(image, hole, exclude=exclude)[known], image[known])


@torch.no_grad()
def test_each_picture_of_a_batch_is_filled_as_if_alone(backend, image, hole):
    other = image.flip(-1)
    both = backend(torch.cat([image, other]), torch.cat([hole, hole]), seed=1)
    assert torch.equal(both[:1], backend(image, hole, seed=1))
    assert torch.equal(both[1:], backend(other, hole, seed=1))


@torch.no_grad()
def test_a_seed_fixes_the_fill_and_nothing_global_or_given_changes(backend, image, hole):
    before = image.clone(), torch.get_rng_state(), str(np.random.get_state())
    first = backend(image, hole, seed=3)
    assert torch.equal(first, backend(image, hole, seed=3))
    assert not torch.equal(first, backend(image, hole, seed=4))
    assert torch.equal(image, before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert str(np.random.get_state()) == before[2]


@torch.no_grad()
def test_a_plain_picture_that_the_network_paints_plainly_stays_plain():
    picture, hole = torch.full((1, 3, 64, 64), 0.5), torch.zeros(1, 1, 64, 64)
    hole[..., 20:40, 20:40] = 1
    painted = torch.full((1, 3, 64, 64), 0.5)
    module = nn.Module()
    module.forward = lambda image, hole: painted
    result = GuidedCopies(info("lens-small"), NetworkBackend(info("lens-small"), module, "cpu"))(picture, hole)
    assert torch.allclose(result, picture, atol=1e-6)


@pytest.mark.parametrize(("border", "low", "high"), [(67, 60, 80), (96, 92, 100), (124, 112, 132)])
@torch.no_grad()
def test_one_texture_ends_and_the_other_begins_about_where_the_network_says(border, low, high):
    hole = torch.zeros(1, 1, 96, 192)
    hole[..., 48:144] = 1
    painted = two_textures(border).mean(2, keepdim=True).expand(-1, -1, 96, -1)
    found = sources_of(two_textures(96), hole, None, painted)
    from_red = found.sources[:, 0] % 192 < 96
    assert low < 48 + from_red.reshape(96, 96).sum(1).mean() < high


@torch.no_grad()
def test_neither_the_hole_nor_what_is_excluded_is_ever_a_source(image, hole, exclude):
    found = sources_of(image, hole, exclude, torch.full_like(image, 0.5))
    used = found.sources[found.weights > 0]
    assert not (torch.maximum(hole, exclude)[0, 0].numpy() > 0).ravel()[used].any()
    assert np.array_equal(found.targets, np.flatnonzero(hole[0, 0].numpy()))


@torch.no_grad()
def test_the_fill_is_the_copies_with_a_share_of_the_networks_shades(image, hole):
    painted = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = sources_of(image, hole, None, painted)
    copies = found.filled(np.ascontiguousarray(image[0].permute(1, 2, 0).numpy()))
    shades = hole * blurred(hole * (painted - torch.from_numpy(copies).permute(2, 0, 1)[None]), SHADES_SIGMA_PX)
    expected = torch.from_numpy(copies).permute(2, 0, 1)[None] + NETWORK_SHARE * shades
    assert torch.allclose(combined(image, hole, painted, [found]), expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [2.5, 4.0])
def test_the_blur_is_nearly_scipys_and_mixes_neither_pictures_nor_channels(sigma):
    rough = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0)).numpy()
    smooth = ndimage.gaussian_filter(rough, (0, 0, 1.5, 1.5))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    expected = ndimage.gaussian_filter(smooth, (0, 0, sigma, sigma), mode="mirror", truncate=3)
    assert np.abs(blurred(torch.from_numpy(smooth), sigma).numpy() - expected).max() < 0.07


def test_no_gradient_comes_from_hidden_pixels_and_some_from_the_others(backend, image, hole, exclude):
    image.requires_grad_()
    (backend(image, hole, exclude=exclude) * hole).sum().backward()
    assert image.grad is not None
    hidden = (torch.maximum(hole, exclude) > 0).expand_as(image)
    assert not image.grad[hidden].any()
    assert image.grad[~hidden].abs().sum() > 0


def test_gradients_flow_through_the_network_and_through_the_copies(image, hole):
    image.requires_grad_()
    painted = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    held = painting(painted).held(image, hole)
    (held(image, hole) * hole).sum().backward()
    assert image.grad is not None
    found = held._held.found[0][0] if held._held else None
    assert found is not None
    copied = np.bincount(found.sources.ravel(), found.weights.ravel(), 64 * 64).reshape(64, 64) > 0
    beside = torch.from_numpy(~copied & (hole[0, 0].numpy() == 0))
    assert beside.any()
    assert (image.grad[0][:, beside] > 0).all()
    assert image.grad[0][:, torch.from_numpy(copied)].mean() > 10 * image.grad[0][:, beside].mean()


def test_held_sources_make_the_output_as_smooth_as_its_gradient_says(backend, image, hole, exclude):
    image.requires_grad_()
    held = backend.held(image, hole, exclude=exclude)
    weights = torch.rand(image.shape, generator=torch.Generator().manual_seed(5)) * hole
    (held(image, hole, exclude=exclude) * weights).sum().backward()
    assert image.grad is not None
    # Along the gradient the change is the largest, so that the rounding of float32 does not hide it.
    change = 1e-3 * image.grad / image.grad.abs().amax()
    with torch.no_grad():
        more, less = (held(image + sign * change, hole, exclude=exclude) for sign in (1, -1))
    measured = float(((more - less).double() * weights).sum()) / 2
    assert measured == pytest.approx(float((image.grad * change).sum()), rel=5e-3)


@torch.no_grad()
def test_a_held_backend_is_the_plain_one_for_the_same_picture_and_keeps_its_sources_for_others(backend, image, hole):
    held = backend.held(image, hole)
    for seed in (0, 1):
        assert torch.allclose(held(image, hole, seed=seed), backend(image, hole, seed=seed), atol=1e-6)
    brighter = torch.cat([image, 0.5 + image / 2])
    both = held(brighter, hole.expand(2, -1, -1, -1))
    assert torch.allclose(both[:1], backend(image, hole), atol=1e-5)
    assert torch.allclose(
        both[1:], combined(brighter[1:], hole, backend.network(brighter[1:], hole), held._held(0, Monitor())), atol=1e-5
    )


def test_the_path_integral_adds_up(monkeypatch):
    monkeypatch.setattr(explaining, "SEEDS", 1)
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.random((64, 64, 3)), (1.5, 1.5, 0))
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    mask = np.zeros((64, 64), bool)
    mask[24:40, 22:42] = True
    options = FillOptions("lens-small", context_px=64, feather_px=0)
    filling = fill(Picture.from_array((texture * 255).astype(np.uint8)), Hole(mask), load("lens-small", "cpu"), options)
    explanation = explain(filling, ExplainOptions("path-ig"))
    (part,) = (attribution for _, attribution in explanation.parts)
    assert part.error_percent is not None
    assert part.error_percent < 1
    assert not explanation.signed[mask[explanation.box.slices]].any()


@torch.no_grad()
def test_where_no_whole_patch_is_known_the_network_fills_alone(image):
    hole = torch.ones(1, 1, 64, 64)
    hole[..., ::2, ::2] = 0
    painted = torch.full((1, 3, 64, 64), 0.25)
    held = painting(painted).held(image, hole)
    for result in (painting(painted)(image, hole), held(image, hole)):
        assert torch.equal(result[(hole == 0).expand_as(image)], image[(hole == 0).expand_as(image)])
        drawn = painted + 0.1 * (image * (1 - hole)).mean()
        inside = (hole > 0).expand_as(image)
        assert torch.allclose(result[inside], drawn.expand_as(image)[inside], atol=1e-6)


@torch.no_grad()
def test_a_larger_picture_is_reduced_for_the_network_and_hidden_colours_stay_out():
    seen: list[Tensor] = []

    class Watching(nn.Module):
        def forward(self, image: Tensor, hole: Tensor) -> Tensor:
            seen.extend([image, hole])
            return image

    backend = GuidedCopies(info("lens-small"), NetworkBackend(info("lens-small"), Watching(), "cpu"))
    image, hole = torch.full((1, 3, 64, 2 * NETWORK_PX), 0.5), torch.zeros(1, 1, 64, 2 * NETWORK_PX)
    hole[..., 20:40, 101:140] = 1
    image = torch.where(hole > 0, 1.0, image)
    assert torch.allclose(backend(image, hole), torch.where(hole > 0, 0.5, image), atol=0.31)
    small, hidden = seen
    assert small.shape[-2:] == (32, NETWORK_PX)
    assert torch.allclose(small[(hidden == 0).expand_as(small)], torch.tensor(0.5))
    assert hidden[0, 0, 15, 50:70].tolist() == [0.0] + [1.0] * 19


def test_progress_grows_and_a_cancelled_token_stops_the_search(backend, image, hole):
    shares: list[float] = []

    def note(_: str, share: float) -> None:
        shares.append(share)
        if share > 0.5:
            monitor.token.cancel()

    monitor = Monitor(note)
    with pytest.raises(Cancelled):
        backend(image, hole, monitor=monitor)
    assert shares == sorted(shares)
    assert 0.5 < shares[-1] < 1
