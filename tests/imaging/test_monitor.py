import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import Cancelled
from inpaint_lens.imaging.monitor import CancelToken, Monitor


def test_a_part_reports_inside_its_share_of_the_whole():
    heard: list[tuple[str, float]] = []
    Monitor(lambda stage, share: heard.append((stage, share))).part(0.5, 1.0).part(0.0, 0.5).report("filling", 0.5)
    assert heard == [("filling", 0.625)]


@given(st.floats(-5, 5), st.floats(0, 1), st.floats(0, 1))
def test_a_report_never_leaves_its_span(share, a, b):
    heard: list[float] = []
    low, high = sorted((a, b))
    Monitor(lambda _, value: heard.append(value)).part(low, high).report("x", share)
    assert low - 1e-9 <= heard[0] <= high + 1e-9


def test_a_cancelled_token_stops_at_the_next_report():
    token = CancelToken()
    monitor = Monitor(token=token).part(0.0, 0.5)
    monitor.report("x", 0.1)
    token.cancel()
    with pytest.raises(Cancelled):
        monitor.report("x", 0.2)
