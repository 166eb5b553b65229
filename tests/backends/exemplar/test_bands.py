import os

import numpy as np
import pytest
from inpaint_lens.backends.exemplar.bands import BANDS, LEAST_TARGETS, bands, slices
from inpaint_lens.backends.exemplar.field import nearest, whole_patches
from inpaint_lens.backends.exemplar.pyramid import Level
from inpaint_lens.backends.exemplar.synthesis import finer
from inpaint_lens.backends.exemplar.voting import mixed, votes

SIDE, PATCH = 96, 7


@pytest.fixture
def level() -> Level:
    """Noise with a hole of more pixels than one band takes."""
    rng = np.random.default_rng(0)
    hole = np.zeros((SIDE, SIDE), bool)
    hole[20:75, 15:80] = True
    assert hole.sum() > LEAST_TARGETS
    return Level(rng.random((SIDE, SIDE, 5)).astype(np.float32), hole, hole, PATCH)


def search(level: Level, stride: int = 1):
    return nearest(level.features, level.targets, level.sources, patch=PATCH, rounds=2, stride=stride, seed=3)


def test_bands_divide_the_targets_and_draw_different_numbers(level):
    targets = np.flatnonzero(level.targets)
    parts = bands(targets, level.hole.shape, 0)
    assert len(parts) == BANDS
    assert np.array_equal(np.concatenate([part.targets for part in parts]), targets)
    assert all(part.rows.start <= row < part.rows.stop for part in parts for row in part.targets // SIDE)
    assert len({int(part.random[0]) for part in parts}) == BANDS


@pytest.mark.parametrize("number", [0, 5, LEAST_TARGETS, LEAST_TARGETS + 3])
def test_slices_take_each_thing_once(number):
    assert [i for part in slices(number) for i in range(number)[part]] == list(range(number))


def test_the_field_does_not_depend_on_the_number_of_processors(level, monkeypatch):
    fields = []
    for count in (1, 4):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        fields.append(search(level))
    assert np.array_equal(fields[0].rows, fields[1].rows)
    assert np.array_equal(fields[0].cols, fields[1].cols)
    assert np.array_equal(fields[0].distance, fields[1].distance)


def test_with_a_stride_only_the_grid_is_matched_and_only_with_sources(level):
    field = search(level, stride=2)
    found = field.rows >= 0
    grid = np.zeros_like(found)
    grid[::2, ::2] = True
    assert np.array_equal(found, level.targets & grid)
    assert whole_patches(~level.hole, PATCH)[field.rows[found], field.cols[found]].all()


@pytest.mark.parametrize("stride", [1, 2])
def test_the_mean_of_all_proposals_is_what_votes_that_keep_all_copy(level, stride):
    field = search(level, stride)
    sources, weights = votes(field, level.hole, level.confidence, patch=PATCH, keep=PATCH**2, stride=stride)
    expected = (level.features.reshape(-1, 5)[sources] * weights[..., None]).sum(1)
    found = mixed(level.features, field, level.hole, level.confidence, patch=PATCH, channels=3, stride=stride)
    assert np.allclose(found, expected[:, :3], atol=1e-5)


def test_a_field_with_gaps_gives_the_finer_level_the_place_beside_the_doubled_match(level):
    coarse = level.halved()
    field = search(coarse, stride=2)
    fine = finer(field, level, stride=2)
    for row, col in ((30, 30), (41, 33), (50, 47), (63, 62)):
        top, left = row // 4 * 2, col // 4 * 2
        assert fine.rows[row, col] == 2 * field.rows[top, left] + row - 2 * top
        assert fine.cols[row, col] == 2 * field.cols[top, left] + col - 2 * left
