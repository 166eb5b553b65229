"""The chart of mass by distance."""

import numpy as np
import pytest
from inpaint_lens.attribution.charts import mass_by_distance_chart
from inpaint_lens.imaging.errors import InputError


def coloured_columns(chart):
    """Columns that hold the saturated colour of the curve."""
    return np.flatnonzero((np.ptp(chart.astype(int), axis=2) > 100).any(axis=0))


def test_a_chart_has_the_size_asked_for():
    assert mass_by_distance_chart([0, 1, 2], [0, 0.5, 1], width_px=333, height_px=217).shape == (217, 333, 3)


def test_a_curve_that_rises_early_covers_more_than_one_that_rises_late():
    distances = np.arange(50)
    early, late = (mass_by_distance_chart(distances, np.linspace(0, 1, 50) ** power) for power in (0.2, 5))
    tinted = [(np.ptp(chart.astype(int), axis=2) > 5).sum() for chart in (early, late)]
    assert tinted[0] > 2 * tinted[1]


def test_the_curve_spans_the_whole_width_of_the_axes():
    columns = coloured_columns(mass_by_distance_chart([0, 5, 10], [0, 0.6, 1.0]))
    assert columns[0] <= 75 and columns[-1] >= 455


@pytest.mark.parametrize("shares", [[0.0, 0.0], [1.0, 1.0]])
def test_flat_shares_make_a_chart(shares):
    assert mass_by_distance_chart([0, 1], shares).min() < 100


def test_a_single_distance_makes_a_chart():
    assert mass_by_distance_chart([0], [0.0]).shape == (300, 480, 3)


@pytest.mark.parametrize(("distances", "shares"), [([], []), ([1, 2], [1]), ([2, 1], [0, 1]), ([0, 1], [0, np.nan])])
def test_lists_that_make_no_chart_are_refused(distances, shares):
    with pytest.raises(InputError, match="make no chart"):
        mass_by_distance_chart(distances, shares)


def test_a_chart_leaves_matplotlibs_global_figures_alone():
    from matplotlib import _pylab_helpers

    mass_by_distance_chart([0, 1], [0, 1])
    assert not _pylab_helpers.Gcf.figs
