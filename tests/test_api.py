import json
import subprocess
import sys
from pathlib import Path

import inpaint_lens as lens
import numpy as np
import pytest
import torch
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.reading import read_picture
from numpy.typing import NDArray
from torch import Tensor, nn

SIZE = (64, 80)


def photograph(dtype: type = np.uint8, channels: int = 3) -> NDArray:
    values = np.random.default_rng(0).random((*SIZE, channels))
    values = (values + np.roll(values, 1, 0) + np.roll(values, 1, 1)) / 3
    full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    return (values * full).astype(dtype)


@pytest.fixture
def mask() -> NDArray[np.bool_]:
    """A hole of 10 x 14 pixels."""
    mask = np.zeros(SIZE, bool)
    mask[28:38, 30:44] = True
    return mask


class Blend(nn.Module):
    """A small network of one's own: image and mask, each apart."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(4, 3, 9, padding=4)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(torch.cat([image, hole], 1)))


class Packed(Blend):
    """The same with one input: mask, then image."""

    def forward(self, packed: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().forward(packed[:, 1:], packed[:, :1])


@pytest.mark.parametrize(
    ("dtype", "channels"),
    [(np.uint8, 3), (np.uint16, 3), (np.float32, 3), (np.float64, 3), (np.uint8, 1), (np.uint8, 4)],
)
def test_a_fill_has_the_shape_and_dtype_of_what_was_given(mask, dtype, channels):
    given = photograph(dtype, channels)
    before = given.copy()
    filled = lens.fill(given, mask, "telea").image
    assert filled.shape == given.shape
    assert filled.dtype == given.dtype
    assert np.array_equal(given, before)
    assert not np.array_equal(filled, given)
    filled[:] = 0
    assert np.array_equal(given, before)


def test_a_grey_picture_may_have_no_channel_axis(mask):
    assert lens.fill(photograph()[..., 0], mask, "telea").image.shape == SIZE


def test_the_mask_is_never_written_to(mask):
    before = mask.copy()
    lens.fill(photograph(), mask, "telea", grow=3, exclude=before)
    assert np.array_equal(mask, before)


def test_pictures_and_masks_may_be_paths(tmp_path, mask):
    given = lens.fill(photograph(), mask, "telea")
    given.save(tmp_path / "photo.png")
    lens.fill(mask.astype(np.uint8) * 255, ~mask, lambda image, hole: image).save(tmp_path / "nothing.png")
    again = lens.fill(tmp_path / "photo.png", mask, "telea")
    assert again.image.shape == given.image.shape
    with pytest.raises(InputError, match="exists already"):
        given.save(str(tmp_path / "photo.png"))


@pytest.mark.parametrize(
    ("image", "hole"), [([[1, 2]], np.eye(2, dtype=bool)), (np.zeros((2, 2, 3), np.uint8), [[True, False]])]
)
def test_what_is_neither_an_array_nor_a_path_is_refused(image, hole):
    with pytest.raises(InputError):
        lens.fill(image, hole, "telea")


@pytest.mark.parametrize("name", ["lens-small", "patchmatch", "telea", "navier-stokes"])
def test_the_same_fill_twice_gives_the_same_bytes(mask, name):
    first, second = (lens.fill(photograph(), mask, name, seed=3).image.tobytes() for _ in range(2))
    assert first == second


@pytest.mark.parametrize("method", ["path-ig", "occlusion"])
def test_the_same_explanation_twice_gives_the_same_bytes(mask, tmp_path, method):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    given, hole = photograph()[20:60, 20:60], mask[20:60, 20:60]
    results = [lens.explain(given, hole, "lens-small", method=method, steps=3) for _ in paths]
    reports = [{**result.report, "seconds": None} for result in results]
    assert results[0].heatmap.tobytes() == results[1].heatmap.tobytes()
    assert json.dumps(reports[0]) == json.dumps(reports[1])
    for result, path in zip(results, paths, strict=True):
        result.save_heatmap(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_network_of_ones_own_is_explained_and_stays_as_it_is(mask):
    net = Blend().train()
    net.conv.weight.requires_grad_(False)
    wanted = {name: (p.requires_grad, p.detach().clone()) for name, p in net.named_parameters()}
    state = torch.get_rng_state()
    result = lens.explain(photograph(), mask, net, steps=4)
    assert net.training
    assert torch.equal(torch.get_rng_state(), state)
    for name, parameter in net.named_parameters():
        assert parameter.requires_grad == wanted[name][0]
        assert parameter.grad is None
        assert torch.equal(parameter, wanted[name][1])
    assert not result.heatmap[mask].any()
    assert result.heatmap.sum() > 0


def test_a_packed_network_in_another_range_gives_the_same_as_a_plain_one(mask):
    plain = lens.explain(photograph(), mask, Blend(), steps=4)
    packed = lens.explain(photograph(), mask, Packed(), steps=4, convention=lens.Convention(packing="mask-image"))
    assert np.array_equal(plain.image, packed.image)
    assert np.array_equal(plain.heatmap, packed.heatmap)


def test_a_function_without_gradients_is_explained_by_occlusion(mask):
    def median(image: Tensor, hole: Tensor) -> Tensor:
        with torch.no_grad():
            return image.flatten(2).median(2).values[..., None, None] + 0 * image + hole * image.mean()

    with pytest.raises(InputError, match="occlusion"):
        lens.explain(photograph(), mask, median, steps=4)
    assert lens.explain(photograph(), mask, median, method="occlusion", steps=8).heatmap.shape == SIZE


@pytest.mark.parametrize("backend", [7, None, object()])
def test_what_is_no_backend_is_refused(mask, backend):
    with pytest.raises(InputError, match="a name, a backend, a torch module or a function"):
        lens.fill(photograph(), mask, backend)


def test_a_network_that_returns_another_size_is_told_so(mask):
    with pytest.raises(InputError, match="expected a tensor"):
        lens.fill(photograph(), mask, lambda image, hole: image[..., 1:])


def test_sizes_are_multiples_of_what_a_network_needs(mask):
    seen = []
    lens.fill(photograph()[:60], mask[:60], lambda image, hole: seen.append(image.shape) or image, multiple_of=32)
    assert seen == [(1, 3, 64, 96)]


def test_the_region_given_as_exclude_changes_nothing_in_the_excluded_pixels(mask):
    given = photograph()
    first = lens.explain(given, mask, Blend(), steps=4)
    assert first.region.any()
    assert not (first.region & mask).any()
    again = lens.fill(given, mask, Blend(), exclude=first.region)
    assert np.array_equal(again.image[first.region], given[first.region])
    assert not np.array_equal(again.image[mask], first.image[mask])


def test_a_target_explains_a_part_of_the_fill(mask):
    whole = lens.explain(photograph(), mask, Blend(), steps=4)
    part = lens.explain(photograph(), mask, Blend(), steps=4, target=(34, 32, 6))
    assert part.heatmap.sum() < whole.heatmap.sum()
    with pytest.raises(InputError, match="outside of the hole"):
        lens.explain(photograph(), mask, Blend(), target=(2, 2, 4))


def test_a_fill_that_was_not_explained_says_how_to_explain_it(mask):
    result = lens.fill(photograph(), mask, "telea")
    assert len(result.layers) == 1
    for wanted in ("heatmap", "region", "sentence"):
        with pytest.raises(InputError, match="call `explain`"):
            getattr(result, wanted)


def test_an_explanation_comes_as_layers_and_as_a_file_of_layers(mask, tmp_path: Path):
    result = lens.explain(photograph(), mask, Blend(), steps=4)
    assert [layer.name for layer in result.layers] == ["Result", "Heatmap", "Region of interest"]
    result.save_layers(tmp_path / "all.ora")
    assert (tmp_path / "all.ora").read_bytes()[:2] == b"PK"
    result.save_heatmap(tmp_path / "heat.png")
    assert read_picture(tmp_path / "heat.png").mode == "rgb"
    assert result.sentence


def test_progress_runs_from_zero_to_one_and_never_back(mask):
    heard: list[float] = []
    monitor = lens.Monitor(lambda _, share: heard.append(share))
    lens.explain(photograph(), mask, Blend(), steps=4, monitor=monitor)
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert heard[-1] == pytest.approx(1)


def test_a_cancelled_call_stops(mask):
    token = lens.CancelToken()
    token.cancel()
    for call in (lens.fill, lens.explain):
        with pytest.raises(lens.LensError, match="Stopped"):
            call(photograph(), mask, "telea", monitor=lens.Monitor(token=token))


@pytest.mark.parametrize("target", [(1, 2), "36,30,8", 5])
def test_a_target_that_is_not_three_numbers_is_refused(mask, target):
    with pytest.raises(lens.LensError, match="x, y and size"):
        lens.explain(photograph(), mask, "telea", target=target)


def test_backends_can_be_called_even_after_the_subpackage_was_imported():
    import inpaint_lens.backends
    import inpaint_lens.backends.registry

    names = [info.name for info in lens.backends()]
    assert "lens-small" in names
    assert lens.backends.info("telea").name == "telea"  # pyright: ignore[reportFunctionMemberAccess]
    assert callable(inpaint_lens.backends)


@pytest.mark.parametrize(
    "statement", ["import inpaint_lens", "import inpaint_lens as lens; lens.Monitor, lens.backends()"]
)
def test_importing_the_package_and_listing_backends_imports_no_torch(statement):
    code = f"import sys; {statement}; assert not {{'torch', 'matplotlib', 'captum'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists():
    for name in lens.__all__:
        assert getattr(lens, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        lens.nonsense  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
