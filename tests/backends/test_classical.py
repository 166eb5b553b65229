from threading import Event

import numpy as np
import pytest
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.classical import MARGIN_PX, SolverBackend, crop_of, watched
from inpaint_lens.backends.registry import info
from inpaint_lens.imaging.box import Box
from inpaint_lens.imaging.errors import Cancelled, InputError
from inpaint_lens.imaging.monitor import Monitor
from torch import Tensor

NAMES = ("isophote", "total-variation", "biharmonic")


def box_hole(size: tuple[int, int], *box: int) -> Tensor:
    """A hole at top, left, of height and width."""
    hole = torch.zeros(1, 1, *size)
    hole[(..., *Box(*box).slices)] = 1
    return hole


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_what_is_hidden_may_be_anything_even_no_number(name, image, hole, exclude):
    hidden = torch.maximum(hole, exclude).expand_as(image) > 0
    first = load(name, "cpu")(image, hole, exclude=exclude)
    second = load(name, "cpu")(torch.where(hidden, torch.nan, image), hole, exclude=exclude)
    inside = hole.expand_as(image) > 0
    assert torch.equal(first[inside], second[inside])


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_known_and_excluded_pixels_are_returned_as_they_came(name, image, hole, exclude):
    outside = hole.expand_as(image) == 0
    assert torch.equal(load(name, "cpu")(image, hole, exclude=exclude)[outside], image[outside])


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_fill_is_repeatable_and_its_pictures_are_independent(name, image, hole, exclude):
    backend = load(name, "cpu")
    images = torch.cat([image, image.flip(-1), image])
    holes = torch.cat([hole, exclude, torch.zeros_like(hole)])
    together = backend(images, holes, seed=1)
    alone = torch.cat([backend(images[i : i + 1], holes[i : i + 1], seed=2) for i in range(3)])
    assert torch.equal(together, alone)
    assert together.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_the_colours_around_an_excluded_ring_fill_a_hole_inside_of_it(name):
    hole, ring = box_hole((48, 48), 20, 20, 8, 8), box_hole((48, 48), 14, 14, 20, 20)
    ring = ring - hole
    image = torch.where(ring > 0, 0.9, torch.full((1, 3, 48, 48), 0.3))
    filled = load(name, "cpu")(image, hole, exclude=ring)
    assert (filled[..., 20:28, 20:28] - 0.3).abs().max() < 1e-6
    assert torch.equal(filled[..., 14:20, 14:34], image[..., 14:20, 14:34])


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_what_is_excluded_on_one_side_does_not_bleed_into_the_hole(name):
    image = torch.full((1, 3, 40, 40), 0.2)
    image[..., 26:] = 0.9
    filled = load(name, "cpu")(image, box_hole((40, 40), 12, 12, 14, 14), exclude=box_hole((40, 40), 0, 26, 40, 14))
    assert (filled[..., 12:26, 12:26] - 0.2).abs().max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_nothing_known_is_told_in_a_sentence(name, image, hole):
    with pytest.raises(InputError, match="make the mask or the excluded part smaller"):
        load(name, "cpu")(image, hole, exclude=1 - hole)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "box", [(0, 5, 9, 7), (11, 0, 8, 6), (23, 9, 9, 8), (0, 0, 10, 12), (0, 10, 32, 9), (15, 16, 1, 1)]
)
@torch.no_grad()
def test_a_plain_picture_is_continued_plainly_into_any_hole(name, box):
    image, hole = torch.full((1, 3, 32, 32), 0.6), box_hole((32, 32), *box)
    assert (load(name, "cpu")(image * (1 - hole), hole) - image).abs().max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 2), (2, 2), (3, 5), (1, 20), (20, 1)])
@torch.no_grad()
def test_the_smallest_pictures_are_filled(name, size):
    image, hole = torch.full((1, 3, *size), 0.5), box_hole(size, 0, 0, 1, 1)
    assert (load(name, "cpu")(image * (1 - hole), hole) - image).abs().max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("turns", [1, 2, 3])
@torch.no_grad()
def test_the_fill_of_a_turned_picture_is_the_turned_fill(name, image, turns):
    hole = box_hole((64, 64), 19, 8, 11, 14)
    backend = load(name, "cpu")
    turned = backend(image.rot90(turns, (2, 3)), hole.rot90(turns, (2, 3)))
    assert torch.allclose(turned, backend(image, hole).rot90(turns, (2, 3)), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_far_pixels_do_not_change_the_fill(name, image, hole):
    other = image.clone()
    other[..., 45:, :] = 0.5
    backend = load(name, "cpu")
    assert torch.equal(backend(image, hole)[..., :40, :], backend(other, hole)[..., :40, :])


@pytest.mark.parametrize("name", NAMES)
def test_a_fill_stops_where_it_is_when_asked_to(name, image, hole):
    reports: list[float] = []
    monitor = Monitor(lambda _, share: reports.append(share) or monitor.token.cancel())
    with pytest.raises(Cancelled):
        load(name, "cpu")(image, hole, monitor=monitor)
    assert reports == [0.0]


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_progress_never_goes_back_and_pictures_share_it(name, image, hole):
    shares: list[float] = []
    load(name, "cpu")(
        torch.cat([image, image]), torch.cat([hole, hole]), monitor=Monitor(lambda _, s: shares.append(s))
    )
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.5 in shares


def test_a_solver_gets_the_crop_around_the_hole_and_zeros_where_it_may_not_look(image, hole, exclude):
    seen: list[tuple[Tensor, Tensor]] = []

    def solver(picture, hidden, settings, monitor):
        seen.append((picture, hidden))
        return picture + 1

    filled = SolverBackend(info("biharmonic"), solver)(image, hole, exclude=exclude)
    ((picture, hidden),) = seen
    rows, columns = slice(10 - MARGIN_PX, 40 + MARGIN_PX), slice(22 - MARGIN_PX, 48 + MARGIN_PX)
    unknown = torch.maximum(hole, exclude)[0, 0, rows, columns] > 0
    assert torch.equal(hidden, unknown)
    assert torch.equal(picture, image[0, :, rows, columns].masked_fill(unknown, 0))
    assert (filled[hole.expand_as(image) > 0] == 1).all()


def test_a_setting_that_the_backend_does_not_have_is_refused(image, hole):
    with pytest.raises(InputError, match="has no setting"):
        load("isophote", "cpu")(image, hole, settings={"colour": 1})  # pyright: ignore[reportCallIssue]


def test_hidden_parts_near_the_hole_are_in_the_crop_and_others_are_not():
    hole, hidden = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
    hole[40:50, 40:50] = True
    hidden[40:50, 53] = hidden[40:50, 70] = True
    assert crop_of(hole, hidden | hole) == Box(40, 40, 10, 14).pad(MARGIN_PX)


def test_work_that_cannot_be_stopped_is_left_when_asked_to():
    monitor, started, end = Monitor(), Event(), Event()

    def work() -> bool:
        started.set()
        monitor.token.cancel()
        return end.wait(10)

    with pytest.raises(Cancelled):
        watched(work, monitor)
    assert started.is_set()
    end.set()


def test_watched_work_gives_its_result_and_its_errors():
    assert watched(lambda: 3, Monitor()) == 3
    with pytest.raises(ZeroDivisionError):
        watched(lambda: 1 // 0, Monitor())
