"""One fill of a benchmark: what the backend sees, what is pasted, what is measured."""

import numpy as np
import pytest
import torch
from inpaint_lens.backends.protocol import BackendInfo, Setting
from inpaint_lens.evaluation.filling import PeakMemory, fill, resident_mb
from inpaint_lens.imaging.errors import InputError, LensError
from inpaint_lens.imaging.size_rule import SizeRule


class Grey:
    """Fills with grey of one level and notes what it was called with."""

    device = "cpu"

    def __init__(self, level=0.5, **facts):
        self.info = BackendInfo("grey", "grey", "none:none", "MIT", True, **facts)
        self.level = level
        self.calls = []

    def __call__(self, image, hole, *, exclude=None, seed=0, monitor=None, **extra):
        self.calls.append((image, hole, seed, extra))
        return torch.full_like(image, self.level)


def picture(side=48):
    return np.random.default_rng(0).integers(1, 256, (side, side, 3), dtype=np.uint8)


def square(side=48):
    hole = np.zeros((side, side), bool)
    hole[10:20, 12:30] = True
    return hole


def test_only_the_hole_is_new():
    made = fill(Grey(), picture(), square(), 0, 0.0).picture
    assert np.array_equal(made[~square()], picture()[~square()])
    assert (made[square()] == 128).all()


def test_values_out_of_range_are_clipped():
    assert (fill(Grey(1.7), picture(), square(), 0, 0.0).picture[square()] == 255).all()


def test_the_backend_never_sees_what_is_hidden():
    backend = Grey()
    fill(backend, picture(), square(), 7, 0.0)
    image, hole, seed, _ = backend.calls[0]
    assert not image[..., torch.from_numpy(square())].any() and seed == 7
    assert np.array_equal(hole[0, 0].numpy() > 0, square())
    assert image[0, :, 0, 0].tolist() == pytest.approx((picture()[0, 0] / 255).tolist())


@pytest.mark.parametrize(
    "rule", [SizeRule(multiple_of=32), SizeRule(fixed=64), SizeRule(largest=32), SizeRule(minimum=96)]
)
def test_the_size_rule_is_kept_and_the_picture_keeps_its_size(rule):
    backend = Grey(size_rule=rule)
    assert fill(backend, picture(), square(), 0, 0.0).picture.shape == (48, 48, 3)
    size = backend.calls[0][0].shape[2:]
    assert tuple(size) == rule.fit(*((32, 32) if rule.largest else (48, 48)))


def test_a_backend_with_settings_gets_their_defaults():
    backend = Grey(settings=(Setting("steps", 20, "how many"),))
    fill(backend, picture(), square(), 0, 0.0)
    assert backend.calls[0][3] == {"settings": {"steps": 20}}


def test_a_hole_that_hides_everything_at_the_backends_size_is_refused():
    hole = np.ones((48, 48), bool)
    hole[::2, ::2] = False
    with pytest.raises(InputError, match="hides everything"):
        fill(Grey(size_rule=SizeRule(largest=24)), picture(), hole, 0, 0.0)


def test_values_that_are_no_numbers_are_an_error():
    with pytest.raises(LensError, match="not numbers"):
        fill(Grey(float("nan")), picture(), square(), 0, 0.0)


def test_memory_that_is_held_at_the_end_counts():
    with PeakMemory("cpu", resident_mb()) as memory:
        block = np.ones(10_000_000)
    assert block.nbytes == 80_000_000
    assert memory.peak_mb > 60
