import inspect

import numpy as np
import pytest
import torch
from inpaint_lens.backends import lens_small, load
from inpaint_lens.backends.classical import from_bytes, to_bytes
from inpaint_lens.backends.network import Convention, NetworkBackend
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.errors import Cancelled, WeightsError
from inpaint_lens.imaging.monitor import Monitor
from torch import nn

EMBEDDED = ("lens-small", "telea", "navier-stokes", "patchmatch")


@pytest.mark.parametrize("name", EMBEDDED)
@torch.no_grad()
def test_colours_under_the_hole_and_under_exclude_do_not_change_the_fill(name, image, hole, exclude):
    backend = load(name, "cpu")
    hidden = torch.maximum(hole, exclude)
    other = torch.where(hidden > 0, 1 - image, image)
    first, second = (backend(picture, hole, exclude=exclude) for picture in (image, other))
    inside = hole.expand_as(image) > 0
    assert torch.equal(first[inside], second[inside])


@pytest.mark.parametrize("name", EMBEDDED)
@torch.no_grad()
def test_excluding_something_changes_the_fill(name, image, hole, exclude):
    backend = load(name, "cpu")
    image = image * 0.2
    image = torch.where(exclude > 0, image + 0.7, image)
    inside = hole.expand_as(image) > 0
    assert not torch.equal(backend(image, hole)[inside], backend(image, hole, exclude=exclude)[inside])


@pytest.mark.parametrize("name", EMBEDDED)
@torch.no_grad()
def test_a_fill_has_the_shape_of_its_input_is_repeatable_and_writes_to_nothing(name, image, hole, exclude):
    backend = load(name, "cpu")
    before = image.clone(), hole.clone(), exclude.clone()
    first = backend(image, hole, exclude=exclude, seed=5)
    assert first.shape == image.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, backend(image, hole, exclude=exclude, seed=5))
    assert all(torch.equal(a, b) for a, b in zip(before, (image, hole, exclude), strict=True))


@pytest.mark.parametrize("name", EMBEDDED)
@torch.no_grad()
def test_pictures_of_a_batch_do_not_influence_one_another(name, image, hole):
    backend = load(name, "cpu")
    other = image.flip(-1)
    both = backend(torch.cat([image, other]), torch.cat([hole, hole]))
    alone = backend(other, hole)
    assert torch.allclose(both[1:], alone, atol=1e-5)


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_cancelled_token_stops_the_fill(name, image, hole):
    monitor = Monitor()
    monitor.token.cancel()
    with pytest.raises(Cancelled):
        load(name, "cpu")(image, hole, monitor=monitor)


@pytest.mark.parametrize("name", ("telea", "navier-stokes", "patchmatch"))
@pytest.mark.parametrize("size", [(1, 2), (2, 2), (3, 5), (1, 20), (20, 1)])
def test_the_smallest_pictures_are_filled(name, size):
    image = torch.full((1, 3, *size), 0.5)
    hole = torch.zeros(1, 1, *size)
    hole[..., 0, 0] = 1
    image[..., 0, 0] = 0
    assert load(name, "cpu")(image, hole)[..., 0, 0].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("name", ("telea", "navier-stokes", "patchmatch"))
def test_a_plain_picture_is_continued_plainly(name, hole):
    image = torch.full((1, 3, 64, 64), 0.6) * (1 - hole)
    assert (load(name, "cpu")(image, hole) - 0.6).abs().max() < 0.01


def test_bytes_are_rounded_and_come_back():
    image = torch.linspace(0, 1, 256).expand(1, 3, 4, 256)
    (picture,) = to_bytes(image)
    assert np.array_equal(picture[0, :, 0], np.arange(256))
    assert torch.allclose(from_bytes([picture]), image)
    assert to_bytes(torch.full((1, 3, 1, 1), 0.5))[0].max() == 128


def test_lens_small_lets_gradients_through_and_none_from_hidden_pixels(image, hole, exclude):
    image.requires_grad_()
    output = load("lens-small", "cpu")(image, hole, exclude=exclude)
    (output * hole).sum().backward()
    assert image.grad is not None
    hidden = (torch.maximum(hole, exclude) > 0).expand_as(image)
    assert not image.grad[hidden].any()
    assert image.grad[~hidden].abs().sum() > 0


def test_lens_small_keeps_its_weights_out_of_the_graph(image, hole):
    backend = load("lens-small", "cpu")
    assert isinstance(backend, lens_small.GuidedCopies)
    module = backend.network.module
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())
    assert not backend(image, hole).requires_grad


@pytest.mark.parametrize("content", [None, b"", b"something else"])
def test_damaged_weights_of_the_package_are_told_in_a_sentence(monkeypatch, tmp_path, content):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(lens_small, "WEIGHTS", path)
    with pytest.raises(WeightsError, match="install inpaint-lens again"):
        lens_small.load(info("lens-small"), "cpu")


def layers(count: int, seen: list[int]) -> nn.Module:
    """A network of that many layers, each of which notes its number."""
    net = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(count)))
    for index, layer in enumerate(net):
        layer.register_forward_hook(lambda *_, index=index: seen.append(index))

    class OnImage(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
            return self.net(image)

    return OnImage()


def test_a_network_reports_progress_and_stops_between_its_layers(image, hole):
    seen: list[int] = []
    backend = NetworkBackend(info("lens-small"), layers(8, seen), "cpu")
    shares: list[float] = []
    monitor = Monitor(lambda _, share: shares.append(share) or (monitor.token.cancel() if share >= 0.5 else None))
    with pytest.raises(Cancelled):
        backend(image, hole, monitor=monitor)
    assert shares == [0.0, 0.125, 0.25, 0.375, 0.5]
    assert seen == [0, 1, 2, 3, 4]
    seen.clear()
    backend(image, hole)
    assert len(seen) == 8


@pytest.mark.parametrize("packing", ["separate", "image-mask", "mask-image"])
def test_a_convention_gives_ranges_polarity_and_packing(image, hole, packing):
    convention = Convention((-1.0, 1.0), (0.0, 255.0), known=1.0, hole=0.0, hole_fill=0.5, packing=packing)
    packed = torch.cat(convention.pack(image, hole), 1)
    picture, mask = (packed[:, 1:], packed[:, :1]) if packing == "mask-image" else (packed[:, :3], packed[:, 3:])
    assert torch.equal(mask, 1 - hole)
    inside = hole.expand_as(image) > 0
    assert (picture[inside] == 0).all()
    assert torch.allclose(picture[~inside], 2 * image[~inside] - 1)
    assert torch.equal(convention.unpack(torch.tensor([0.0, 127.5, 255.0])), torch.tensor([0.0, 0.5, 1.0]))
    assert len(convention.pack(image, hole)) == (2 if packing == "separate" else 1)


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_backend_takes_the_arguments_of_the_protocol(name):
    names = list(inspect.signature(load(name, "cpu").__call__).parameters)
    assert names == ["image", "hole", "exclude", "seed", "monitor"]
