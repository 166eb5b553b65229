from __future__ import annotations

from copy import deepcopy
from typing import Any, cast

import pytest
from inpaint_lens.gradio_demo.visits import KEPT_SHOTS, Visit, Visits
from inpaint_lens.imaging.errors import InputError


class Weight:
    def __init__(self, weight: int) -> None:
        self.bytes = weight


def laden(weight: int) -> Visit:
    return Visit(photo=cast(Any, Weight(weight)))


def test_visits_that_rested_longest_are_forgotten_first():
    visits = Visits(most_bytes=100)
    first, second, third = laden(40), laden(40), laden(40)
    for visit in (first, second, first, third):
        visits.used(visit)
    assert second.photo is None
    assert first.photo is not None
    assert third.photo is not None


def test_the_visit_that_is_used_now_stays_however_large():
    visits = Visits(most_bytes=10)
    visit = laden(1000)
    visits.used(visit)
    assert visit.photo is not None


def test_only_the_last_fills_stay():
    visit = Visit()
    shots = [cast(Any, Weight(index)) for index in range(5)]
    for shot in shots:
        visit.add(shot)
    assert visit.shots == shots[-KEPT_SHOTS:]
    assert visit.shot is shots[-1]


def test_fills_of_another_picture_are_not_compared_with():
    visit = laden(1)
    visit.add(cast(Any, Weight(1)))
    visit.take_photo(cast(Any, visit.photo))
    assert visit.shots
    visit.take_photo(cast(Any, Weight(2)))
    assert not visit.shots


def test_a_missing_fill_is_told_apart_from_a_forgotten_one():
    visit = Visit()
    with pytest.raises(InputError, match="Fill something first"):
        _ = visit.shot
    visit.add(cast(Any, Weight(1)))
    visit.forget()
    with pytest.raises(InputError, match="press Fill again"):
        _ = visit.shot


def test_every_tab_of_the_browser_gets_a_visit_of_its_own():
    start = Visit()
    assert deepcopy(start).shots is not start.shots


def test_a_visit_that_ends_stops_its_jobs():
    class Fake:
        cancelled = False

        def cancel(self) -> None:
            self.cancelled = True

    job = Fake()
    visit = Visit(jobs={"fill": cast(Any, job)})
    visit.end()
    assert job.cancelled
