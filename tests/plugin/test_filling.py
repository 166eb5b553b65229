from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends import load
from inpaint_lens.imaging.errors import Cancelled, InputError, LensError
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.size_rule import SizeRule
from inpaint_lens.plugin.filling import fill, fill_candidates, result_pixels
from inpaint_lens.plugin.request import FillOptions

TELEA = "telea"


@pytest.fixture
def exclude() -> np.ndarray:
    """Pixels beside the hole and far away."""
    mask = np.zeros((72, 96), bool)
    mask[25:50, 60:75] = mask[5:10, 5:10] = True
    return mask


@pytest.mark.parametrize("kind", ["rgb8", "rgb16", "float32", "float64", "grey8", "grey16", "rgba8"])
@pytest.mark.parametrize("feather", [0, 5])
def test_every_pixel_outside_of_the_feathered_hole_stays_bit_for_bit(array, hole, kind, feather):
    given_array = {
        "rgb8": array,
        "rgb16": array.astype(np.uint16) * 257 + 13,
        "float32": array.astype(np.float32) / 256 + np.float32(1e-4),
        "float64": array / 256 + 1e-9,
        "grey8": array[..., 0],
        "grey16": array[..., 0].astype(np.uint16) * 251,
        "rgba8": np.dstack([array, array[::-1, ::-1, 0]]),
    }[kind]
    before = given_array.copy()
    filling = fill(Picture.from_array(given_array), hole, load(TELEA), FillOptions(feather_px=feather))
    result = filling.picture.to_array()
    rows, columns = np.nonzero(hole.mask)
    y, x = np.mgrid[:72, :96]
    distance = np.sqrt((y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2).min(2)
    outside = distance >= feather + 1
    assert result.dtype == before.dtype
    assert result.shape == before.shape
    assert result[outside].tobytes() == before[outside].tobytes()
    assert np.array_equal(given_array, before)
    assert not np.array_equal(result[hole.mask], before[hole.mask])
    if kind == "rgba8":
        assert np.array_equal(result[..., 3], before[..., 3])


def test_the_fill_is_what_the_backend_gave_rounded(picture, hole, toy):
    backend = toy(SizeRule(), lambda image, hole: torch.full_like(image, 100.6 / 255))
    filled = fill(picture, hole, backend, FillOptions(feather_px=3)).picture.pixels
    assert (filled[hole.mask] == 101).all()


def test_a_feather_mixes_and_never_darkens_the_border(hole, toy):
    plain = Picture.from_array(np.full((72, 96, 3), 150, np.uint8))
    same = toy(SizeRule(), lambda image, hole: torch.full_like(image, 150 / 255))
    assert (fill(plain, hole, same, FillOptions(feather_px=6)).picture.pixels == 150).all()
    dark = toy(SizeRule(), lambda image, hole: torch.zeros_like(image))
    column = fill(plain, hole, dark, FillOptions(feather_px=6)).picture.pixels[37, 59:67, 0].astype(int)
    assert column[0] == 0
    assert column[-1] == 150
    assert (np.diff(column) > 0).all()


@pytest.mark.parametrize("match_border", [False, True])
@pytest.mark.parametrize("name", ["telea", "patchmatch"])
def test_excluded_pixels_keep_their_values_and_their_colours_do_not_matter(array, hole, exclude, name, match_border):
    options = FillOptions(feather_px=6, grow_px=3, match_border=match_border)
    other = np.where((exclude | hole.mask)[..., None], 255 - array, array)
    first, second = (
        fill(Picture.from_array(pixels), hole, load(name), options, exclude).picture.pixels for pixels in (array, other)
    )
    assert np.array_equal(first[exclude], array[exclude])
    assert np.array_equal(second[exclude], other[exclude])
    assert np.array_equal(first[~exclude], second[~exclude])


def test_what_is_excluded_inside_the_hole_is_filled_all_the_same(picture, hole, toy):
    backend = toy(SizeRule(), lambda image, hole: torch.zeros_like(image))
    result = fill(picture, hole, backend, FillOptions(), np.ones((72, 96), bool) & hole.mask)
    assert (result.picture.pixels[hole.mask] == 0).all()


def test_a_backend_finds_nothing_where_it_should_not_look(picture, hole, exclude, toy):
    backend = toy(SizeRule(multiple_of=64))
    (view,) = fill(picture, hole, backend, FillOptions(feather_px=2), exclude).views
    hidden = torch.maximum(view.hole, view.exclude) if view.exclude is not None else view.hole
    assert not view.image[hidden.expand_as(view.image) > 0].any()
    ((_, told),) = backend.seen
    assert torch.equal(told, view.hole)


def test_excluding_nothing_is_the_same_as_no_exclusion(picture, hole, toy):
    nothing = np.zeros((72, 96), bool)
    first, second = (fill(picture, hole, toy(), FillOptions(), mask).picture.pixels for mask in (None, nothing))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("context", [0, 8, None])
def test_the_context_says_how_much_the_backend_sees(picture, hole, toy, context):
    backend = toy()
    fill(picture, hole, backend, FillOptions(feather_px=0, context_px=context, grow_px=1))
    size = (72, 96) if context is None else (16 + 2 * context, 22 + 2 * context)
    assert backend.seen[0][0].shape[-2:] == size


def test_growing_fills_more(picture, hole, toy):
    grown = fill(picture, hole, toy(), FillOptions(grow_px=4, feather_px=0))
    assert grown.hole.pixels > hole.pixels
    changed = (grown.picture.pixels != picture.pixels).any(2)
    assert changed.any(1).nonzero()[0][[0, -1]].tolist() == [26, 47]


def test_a_soft_border_that_reaches_everything_is_named_as_what_is_too_large(picture, toy):
    mask = np.ones((72, 96), bool)
    mask[0] = False
    with pytest.raises(InputError, match="smaller --feather"):
        fill(picture, Hole(mask), toy(), FillOptions(feather_px=4))
    assert fill(picture, Hole(mask), toy(), FillOptions(feather_px=0)).hole.pixels == 71 * 96


def test_a_hole_without_anything_known_around_it_is_refused(picture, hole, toy):
    with pytest.raises(InputError, match="Nothing known is left"):
        fill(picture, hole, toy(), FillOptions(feather_px=0, context_px=0))


def test_excluding_everything_else_is_refused(picture, hole, toy):
    with pytest.raises(InputError, match="Nothing known is left"):
        fill(picture, hole, toy(), FillOptions(), ~hole.mask)


@pytest.mark.parametrize("which", ["mask", "exclude mask"])
def test_masks_of_another_size_are_refused(picture, hole, toy, which):
    small = np.eye(5, dtype=bool)
    with pytest.raises(InputError, match=f"The {which} is 5 x 5 pixels but the picture is 96 x 72"):
        fill(picture, Hole(small) if which == "mask" else hole, toy(), FillOptions(), small)


def test_values_that_are_not_numbers_are_told_and_not_pasted(picture, hole, toy):
    backend = toy(SizeRule(), lambda image, hole: image * float("nan"))
    with pytest.raises(LensError, match="not numbers"):
        fill(picture, hole, backend, FillOptions())


def test_running_out_of_memory_is_told_with_what_to_do(picture, hole, toy):
    def greedy(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(LensError, match="smaller --context"):
        fill(picture, hole, toy(SizeRule(), greedy), FillOptions())


def test_a_cancelled_token_stops_between_windows(hole, toy):
    tall = Picture.from_array(np.zeros((2000, 40, 3), np.uint8))
    mask = np.zeros((2000, 40), bool)
    mask[50:60, 10:20] = mask[1900:1910, 10:20] = True
    monitor, backend = Monitor(), toy()

    def function(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        monitor.token.cancel()
        return image

    backend.function = function
    with pytest.raises(Cancelled):
        fill(tall, Hole(mask), backend, FillOptions(), monitor=monitor)
    assert len(backend.seen) == 1


def test_the_tiles_of_a_scratch_see_what_the_tiles_before_them_filled(toy):
    picture = Picture.from_array(np.full((40, 300, 3), 255, np.uint8))
    mask = np.zeros((40, 300), bool)
    mask[20:22, 5:295] = True
    backend = toy(SizeRule(largest=64), lambda image, hole: torch.full_like(image, 0.25))
    filling = fill(picture, Hole(mask), backend, FillOptions(feather_px=0))
    assert len(filling.views) > 4
    assert (filling.picture.pixels[mask] == 64).all()
    assert (filling.picture.pixels[~mask] == 255).all()
    assert all((image == 0.25).any() for image, _ in backend.seen[1:])
    assert all(image.shape[-1] <= 64 for image, _ in backend.seen)


def test_a_large_hole_is_scaled_down_and_its_fill_comes_back_in_place(toy):
    y, x = np.mgrid[:200, :260]
    array = np.stack([x * 0.9, y * 1.2, 0 * x + 90], 2).astype(np.uint8)
    mask = np.zeros((200, 260), bool)
    mask[60:140, 80:180] = True
    backend = toy(SizeRule(largest=64, multiple_of=8))
    true = torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1)[None]

    def ideal(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.interpolate(true, size=(49, 64), mode="area")
        return torch.nn.functional.pad(small, (0, 0, 0, image.shape[-2] - 49))

    backend.function = ideal
    filled = fill(Picture.from_array(array), Hole(mask), backend, FillOptions(feather_px=2, context_px=200))
    assert backend.seen[0][0].shape[-2:] == (56, 64)
    error = np.abs(filled.picture.pixels.astype(int) - array)[mask]
    assert error.max() <= 3


@given(st.integers(1, 24), st.integers(2, 24), st.integers(0, 10_000), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_any_hole_in_any_small_picture_is_filled_and_nothing_else(height, width, seed, feather):
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 200, (height, width, 3)).astype(np.uint8)
    mask = rng.random((height, width)) < rng.choice([0.02, 0.3])
    mask[rng.integers(height), rng.integers(width)] = True
    try:
        filling = fill(Picture.from_array(array), Hole(mask), load(TELEA), FillOptions(feather_px=feather))
    except InputError as error:
        assert "whole picture" in str(error) or "Nothing known" in str(error)
        return
    changed = (filling.picture.pixels != array).any(2)
    reach = np.zeros((height, width), bool)
    reach[filling.box.slices] = filling.weight > 0
    assert not changed[~reach].any()
    assert (reach >= mask).all()


def test_the_result_layer_is_opaque_only_in_the_hole(picture, hole, toy):
    filling = fill(picture, hole, toy(), FillOptions(feather_px=4))
    layer = result_pixels(filling)
    inside = hole.mask[filling.box.slices]
    assert layer.shape == (*filling.box.size, 4)
    assert (layer[inside, 3] == 255).all()
    assert (layer[~inside, 3] < 255).all()
    assert np.abs(layer[inside, :3].astype(int) - filling.picture.pixels[hole.mask]).max() <= 1


def test_a_fill_at_reduced_resolution_gets_detail_unless_it_is_not_wanted(hole, toy):
    rng = np.random.default_rng(0)
    grain = rng.random((72, 96, 3)).astype(np.float32)
    picture, backend = Picture.from_array(grain), toy(SizeRule(largest=48))
    soft = fill(picture, hole, backend, FillOptions(feather_px=0, refine=False)).picture.to_array()
    crisp = fill(picture, hole, backend, FillOptions(feather_px=0)).picture.to_array()
    assert crisp[hole.mask].std() > 1.5 * soft[hole.mask].std()
    assert np.array_equal(crisp[~hole.mask], grain[~hole.mask])


def test_candidates_differ_by_their_seed_and_the_first_is_the_fill_itself(picture, hole, toy):
    backend = toy(SizeRule(), lambda image, hole: torch.rand(image.shape))
    backend.info = replace(backend.info, stochastic=True)
    several = fill_candidates(picture, hole, backend, FillOptions(seed=5), count=3)
    pixels = [filling.picture.pixels for filling in several]
    assert np.array_equal(pixels[0], fill(picture, hole, backend, FillOptions(seed=5)).picture.pixels)
    assert not np.array_equal(pixels[0], pixels[1])
    assert [filling.options.seed for filling in several] == [5, 6, 7]


def test_a_backend_that_takes_many_seeds_is_asked_once_for_all_candidates(picture, hole, toy):
    seen = []

    class Batched(toy):
        def __call__(self, image, hole, *, seed, **options):
            seen.append(seed)
            return torch.stack([torch.full_like(image[0], one / 10) for one in seed])

    backend = Batched()
    backend.info = replace(backend.info, stochastic=True, many_seeds=True)
    several = fill_candidates(picture, hole, backend, FillOptions(seed=2, feather_px=0), count=2)
    assert seen == [(2, 3)]
    values = [filling.picture.to_srgb8()[hole.mask].mean() / 255 for filling in several]
    assert values == pytest.approx([0.2, 0.3], abs=0.01)


def test_several_candidates_of_a_backend_without_lots_are_refused(picture, hole):
    with pytest.raises(InputError, match="same fill for every seed"):
        fill_candidates(picture, hole, load(TELEA), FillOptions(), count=2)


def test_drawn_lines_reach_the_backend_at_its_resolution(picture, hole, toy):
    seen = []

    class Guided(toy):
        def __call__(self, image, hole, *, guide=None, **options):
            seen.append(guide)
            return super().__call__(image, hole, **options)

    backend = Guided(SizeRule(largest=48))
    backend.info = replace(backend.info, guide="edges")
    lines = np.zeros((72, 96), bool)
    lines[35, 42:58] = True
    fill(picture, hole, backend, FillOptions(), guide=lines)
    assert seen[0].shape == (1, 1, 36, 48)
    assert set(np.nonzero(seen[0][0, 0].numpy())[0]) == {17}


def test_drawn_lines_are_refused_by_a_backend_that_takes_none(picture, hole):
    with pytest.raises(InputError, match="takes no drawn lines"):
        fill(picture, hole, load(TELEA), FillOptions(), guide=np.ones((72, 96), bool))
