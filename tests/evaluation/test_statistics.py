"""Intervals and tests against closed forms, hand-computed values and simulations."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.evaluation.statistics import compare, estimate, holm, signed_rank_p


def test_the_interval_of_a_normal_sample_is_the_textbooks():
    values = np.random.default_rng(0).normal(5, 2, 400)
    found = estimate(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert found.mean == pytest.approx(values.mean()) and found.low is not None and found.high is not None
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)


def test_the_interval_holds_the_truth_in_about_95_of_100_samples():
    rng = np.random.default_rng(1)
    found = [estimate(rng.exponential(1, 60)) for _ in range(200)]
    inside = sum(one.low <= 1 <= one.high for one in found if one.low is not None and one.high is not None)
    assert 0.88 <= inside / 200 <= 0.99


def test_a_single_value_has_no_interval():
    assert estimate(np.array([3.0])).low is None and estimate(np.array([3.0])).mean == 3


def test_equal_values_have_an_interval_of_no_width():
    assert estimate(np.full(5, 2.0)).low == estimate(np.full(5, 2.0)).high == 2


def test_the_signed_rank_test_counts_all_signs_of_the_ranks():
    differences = np.array([1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    ranks = np.arange(1, 8)
    observed = ranks[differences < 0].sum()
    smaller = [
        sum(r for r, sign in zip(ranks, signs, strict=True) if sign) for signs in itertools.product((0, 1), repeat=7)
    ]
    expected = 2 * np.mean(np.array(smaller) <= observed)
    assert signed_rank_p(differences) == pytest.approx(expected)


def test_no_difference_at_all_has_p_one():
    assert signed_rank_p(np.zeros(8)) == 1


def test_holms_correction_is_that_of_the_paper_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_correction_never_lowers_p_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert all(p <= c <= 1 for p, c in zip(p_values, corrected, strict=True))
    pairs = sorted(zip(p_values, corrected, strict=True))
    assert all(first[1] <= second[1] for first, second in itertools.pairwise(pairs))


def test_a_difference_that_is_there_is_found_and_one_that_is_not_is_not():
    rng = np.random.default_rng(2)
    base, noise = rng.normal(0, 5, 80), rng.normal(0, 0.1, (2, 80))
    better, same = compare([(base + 0.3 + noise[0], base), (base + noise[1] - noise[1].mean(), base)])
    assert better.corrected_p < 0.001 and better.difference.mean == pytest.approx(0.3, abs=0.05)
    assert same.corrected_p > 0.05
