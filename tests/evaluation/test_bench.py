"""A run of a benchmark: equal holes, going on after a stop, and what fails alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from inpaint_lens.backends.protocol import BackendInfo
from inpaint_lens.evaluation import bench as bench_module
from inpaint_lens.evaluation.bench import PATIENCE, Bench, Plan, set_distances
from inpaint_lens.evaluation.mask_sets import mask_sets
from inpaint_lens.evaluation.models import Model
from inpaint_lens.evaluation.pictures import find_pictures, select
from inpaint_lens.imaging.errors import Cancelled, InputError, MissingError
from inpaint_lens.imaging.monitor import CancelToken, Monitor
from PIL import Image

COUNT = 8


class Fake:
    """Fills with the mean of what is known, and may fail or stop on the way."""

    device = "cpu"

    def __init__(self, name, before=lambda call: None):
        self.info = BackendInfo(name, name, "none:none", "MIT", True)
        self.before = before
        self.holes = []

    def __call__(self, image, hole, *, exclude=None, seed=0, monitor=None):
        self.holes.append(hole.numpy())
        self.before(len(self.holes))
        return image.mean((2, 3), keepdim=True).expand_as(image)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def use(monkeypatch):
    """Let these fakes stand in for the registry."""

    def put(*fakes):
        named = {fake.info.name: fake for fake in fakes}

        def load(name, device, files):
            if name not in named:
                raise MissingError(f"{name} needs weights")
            return named[name]

        monkeypatch.setattr(bench_module, "load", load)

    return put


def plan(photos: Path, *names: str, masks=("random", "half"), size=32, limit=None, **more) -> Plan:
    selection = select(find_pictures(photos), photos, size, 0, limit)
    models = tuple(Model(name, name) for name in names)
    folder = photos.parent / "report"
    folder.mkdir(exist_ok=True)
    return Plan(models, tuple(mask_sets(masks)), selection, size, 0, folder, **more)


def test_every_backend_fills_the_same_holes(photos, use):
    first, second = Fake("a"), Fake("b")
    use(first, second)
    run = Bench(plan(photos, "a", "b"))
    run.run()
    assert len(run.results.rows) == 2 * 2 * COUNT
    assert all(np.array_equal(one, other) for one, other in zip(first.holes, second.holes, strict=True))


def test_a_finished_run_is_not_done_again(photos, use):
    backend = Fake("a")
    use(backend)
    Bench(plan(photos, "a")).run()
    Bench(plan(photos, "a")).run()
    assert len(backend.holes) == 2 * COUNT


def scores(run: Bench):
    own = {row.key: dict(row.values) for row in run.results.rows}
    return {
        key: {name: value for name, value in values.items() if name.endswith(("_hole", "_picture"))}
        for key, values in own.items()
    }


def test_a_stopped_run_that_goes_on_ends_with_the_table_of_one_that_was_not(photos, use, tmp_path):
    token = CancelToken()
    use(Fake("a", lambda call: token.cancel() if call == 5 else None), Fake("b"))
    with pytest.raises(Cancelled):
        Bench(plan(photos, "a", "b"), monitor=Monitor(token=token)).run()
    use(Fake("a"), Fake("b"))
    stopped = Bench(plan(photos, "a", "b"))
    assert len(stopped.results.rows) == 5
    stopped.run()
    for path in (tmp_path / "report").glob("*.csv"):
        path.unlink()
    whole = Bench(plan(photos, "a", "b"))
    whole.run()
    assert scores(stopped) == scores(whole)


def explode(call):
    raise RuntimeError("boom")


def test_a_backend_that_fails_is_given_up_and_the_others_go_on(photos, use):
    bad, good = Fake("bad", explode), Fake("good")
    use(bad, good)
    run = Bench(plan(photos, "bad", "good"))
    run.run()
    assert len(bad.holes) == 2 * PATIENCE and {row.backend for row in run.results.rows} == {"good"}
    assert {(one.backend, one.reason) for one in run.failures} == {("bad", "RuntimeError: boom")}


def test_one_bad_fill_is_noted_and_the_rest_is_done(photos, use):
    use(Fake("a", lambda call: explode(call) if call == 2 else None))
    run = Bench(plan(photos, "a"))
    run.run()
    assert len(run.results.rows) == 2 * COUNT - 1 and len(run.failures) == 1
    assert run.failures[0].picture and run.failures[0].mask == "random"


def test_a_backend_whose_weights_are_not_here_is_noted(photos, use):
    use(Fake("good"))
    run = Bench(plan(photos, "absent", "good"))
    run.run()
    assert [one.reason for one in run.failures] == ["absent needs weights"]
    assert len(run.results.rows) == 2 * COUNT


def test_progress_never_falls_and_reaches_the_end(photos, use):
    use(Fake("bad", explode), Fake("good"))
    shares = []
    run = Bench(plan(photos, "bad", "absent", "good"), monitor=Monitor(lambda stage, share: shares.append(share)))
    run.run()
    assert shares == sorted(shares) and 0.9 < shares[-1] <= 1


def test_fills_are_kept_for_the_page_or_all_where_asked(photos, use):
    use(Fake("a"))
    few = plan(photos, "a", masks=["half"])
    Bench(few).run()
    assert len(list(few.folder.rglob("*.png"))) == bench_module.SHOWN
    every = plan(photos, "a", masks=["half"], keep_fills=True)
    Bench(every).run()
    assert len(list(every.folder.rglob("*.png"))) == COUNT


def test_distances_are_taken_of_kept_fills_to_their_own_originals(photos, use):
    use(Fake("a"))
    every = plan(photos, "a", masks=["half"], keep_fills=True)
    run = Bench(every)
    run.run()

    class Means:
        def features(self, pictures):
            return torch.tensor(np.array([picture.mean((0, 1)) for picture in pictures]))

    found = set_distances(every, run.results, Means())  # type: ignore[arg-type]
    assert list(found) == [("half", "a")] and found["half", "a"].count == COUNT and found["half", "a"].fid > 0


def test_a_larger_limit_keeps_the_pictures_of_a_smaller_one(photos):
    files = find_pictures(photos)
    few, many = (select(files, photos, 32, 3, limit).pictures for limit in (3, 6))
    assert few == many[:3]


def test_broken_and_small_pictures_are_skipped_and_told(photos):
    (photos / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (20, 90)).save(photos / "small.png")
    found = select(find_pictures(photos), photos, 32, 0, None)
    assert len(found.pictures) == COUNT and set(found.skipped) == {"broken.png", "small.png"}
    assert "fewer than the 32" in found.skipped["small.png"]


def test_a_folder_with_nothing_to_use_is_refused(photos):
    with pytest.raises(InputError, match="None of the 8 pictures"):
        select(find_pictures(photos), photos, 64, 0, None)


def test_the_square_is_the_middle_of_the_picture(tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 20:60] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    chosen = select(find_pictures(tmp_path), tmp_path, 32, 0, None).pictures[0]
    assert chosen.square(32).shape == (32, 32, 3) and (chosen.square(32) == 200).all()
