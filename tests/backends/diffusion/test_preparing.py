import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from inpaint_lens.backends.diffusion.preparing import covered, generators, on_grid
from inpaint_lens.imaging.errors import InputError


def random_mask(height, width, seed):
    return (torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(seed)) < 0.6).float()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_covering_keeps_known_pixels_and_stays_within_their_range(height, width, seed):
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    hidden = random_mask(height, width, seed)
    result = covered(image, hidden)
    known = (hidden == 0).expand_as(image)
    assert torch.equal(result[known], image[known])
    for channel in range(3):
        low, high = (0.5, 0.5) if hidden.all() else image[:, channel][hidden[:, 0] == 0].aminmax()
        assert result[:, channel].min() >= low - 1e-6
        assert result[:, channel].max() <= high + 1e-6


def test_covering_continues_a_slope():
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    hidden = torch.zeros(1, 1, 64, 64)
    hidden[..., 24:40, 24:40] = 1
    assert (covered(ramp, hidden) - ramp).abs().max() < 0.15


def test_covering_does_not_look_at_hidden_pixels_even_if_they_are_no_numbers():
    image = torch.rand(1, 3, 33, 21)
    hidden = random_mask(33, 21, 5)
    spoilt = torch.where(hidden > 0, torch.inf, image)
    assert torch.equal(covered(spoilt, hidden), covered(image, hidden))


@given(st.integers(1, 9), st.integers(1, 30), st.integers(1, 30), st.integers(0, 99))
def test_a_mask_on_the_grid_is_the_least_union_of_cells_that_holds_it(cell, height, width, seed):
    hidden = random_mask(height, width, seed) * random_mask(height, width, seed + 1) * random_mask(height, width, 7)
    grown = on_grid(hidden, cell)[0, 0]
    for top in range(0, height, cell):
        for left in range(0, width, cell):
            here = (slice(top, top + cell), slice(left, left + cell))
            assert bool((grown[here] == hidden[0, 0][here].max()).all())


def test_single_pixels_are_left_as_they_are():
    hidden = random_mask(9, 9, 1)
    assert torch.equal(on_grid(hidden, 0), hidden)


def test_one_seed_makes_equal_generators_and_several_make_their_own():
    same = [torch.rand(3, generator=one) for one in generators(4, 2)]
    own = [torch.rand(3, generator=one) for one in generators([4, 5], 2)]
    assert torch.equal(same[0], same[1])
    assert torch.equal(own[0], same[0])
    assert not torch.equal(own[0], own[1])


def test_any_whole_number_is_a_seed():
    assert len({float(torch.rand(1, generator=generators(seed, 1)[0])) for seed in (-1, 0, 2**64 + 5)}) == 3


def test_seeds_and_pictures_have_to_be_as_many():
    with pytest.raises(InputError, match="2 seeds were given for 3 pictures"):
        generators([1, 2], 3)
