import importlib.util
import json
import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.evaluation.results import Row
from inpaint_lens.evaluation.summary import Summary, summarise
from inpaint_lens.imaging.errors import InputError

FILE = Path(__file__).parents[1] / "benchmarks" / "published.py"


@pytest.fixture(scope="module")
def published():
    spec = importlib.util.spec_from_file_location("published", FILE)
    assert spec is not None and spec.loader is not None
    module = sys.modules["published"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["published"]


@pytest.fixture
def options(published, tmp_path):
    def parsed(*more: str):
        return published.parser().parse_args(["train", "--data", str(tmp_path), "--out", str(tmp_path), *more])

    return parsed


def summary(*rows: tuple[str, str, float]) -> Summary:
    """Of fills (mask, backend, PSNR over the picture); LPIPS is a hundredth of it, all else 1."""
    keys = [f"{one}_{area}" for one in ("psnr", "ssim", "lpips") for area in ("picture", "hole")]
    common = {"hole_percent": 25.0, "seconds": 1.0} | dict.fromkeys(keys, 1.0)
    made = [
        Row("a.png", mask, backend, common | {"psnr_picture": psnr, "lpips_picture": psnr / 100})
        for mask, backend, psnr in rows
    ]
    return summarise(made, [], [])


def line_of(table: str, name: str) -> list[str]:
    found = [line.strip("| ").split(" | ") for line in table.splitlines()]
    return next(cells for cells in found if cells[0].strip("` ") == name)


@given(steps=st.integers(1, 10**6))
def test_phases_keep_their_share_of_a_run_of_any_length(published, steps):
    names = {"completion_steps": 90_000, "discriminator_steps": 10_000}
    found = dict(one.split("=") for one in published.schedule(names, 500_000, steps))
    assert abs(int(found["recipe.completion_steps"]) - 0.18 * steps) <= 0.5
    assert abs(int(found["recipe.discriminator_steps"]) - 0.02 * steps) <= 0.5


def test_recipes_without_phases_need_no_schedule(published):
    assert published.schedule({"name": "dual_path", "width": 32}, 300_000, 100) == []


def test_methods_differ_in_nothing_but_their_recipe(published, options):
    found = [published.configuration(published.METHODS[name], name, options(), 100) for name in published.TABLE_METHODS]
    assert {config.recipe["name"] for config in found} == set(published.TABLE_METHODS)
    for section in ("data", "vgg"):
        assert len({repr(getattr(config, section)) for config in found}) == 1
    assert {(config.trainer.batch, config.trainer.steps, config.trainer.precision) for config in found} == {
        (8, 100, "bf16")
    }


@pytest.mark.parametrize("side", [64, 128, 256])
def test_crops_of_any_side_are_cut_from_as_much_of_a_picture(published, options, side):
    method = published.METHODS["glcic"]
    config = published.configuration(method, "glcic", options("--side", str(side)), 100)
    assert [scale * config.data.side for scale in config.data.scale] == [256, 512]
    assert config.recipe["local"] == side // 2


def test_as_published_a_run_takes_the_recipes_own_side_batch_and_steps(published, options):
    config = published.configuration(published.METHODS["glcic"], "glcic", options("--as-published"))
    assert (config.data.side, config.trainer.batch, config.trainer.steps) == (256, 96, 500_000)
    assert (config.recipe["completion_steps"], config.recipe["local"]) == (90_000, 128)


def test_a_method_whose_losses_need_vgg_asks_for_its_file(published, options, tmp_path):
    method = published.METHODS["edgeconnect"]
    with pytest.raises(InputError, match="need VGG19: give --vgg19"):
        published.configuration(method, "edgeconnect", options(), 10)
    assert published.configuration(method, published.EDGES, options(), 10).vgg.weights is None
    given = options("--vgg19", str(tmp_path / "vgg19.safetensors"))
    assert published.configuration(method, "edgeconnect", given, 10).vgg.weights == tmp_path / "vgg19.safetensors"


@pytest.mark.parametrize(("device", "seconds"), [("cpu", 2.0), ("cuda", 0.5)])
def test_steps_fill_the_minutes_of_the_clock_that_counts(published, options, monkeypatch, tmp_path, device, seconds):
    def run(_config, _folder, _device):
        warm = published.WARMING_STEPS
        late = [(100 + 2.0 * step, 50 + 0.5 * step) for step in range(published.TRIAL_STEPS - warm + 1)]
        return [(9.0 * step, 9.0 * step) for step in range(warm)] + late + [(1e6, 1e6)]

    monkeypatch.setattr(published, "run", run)
    chosen = options("--minutes", "3", "--device", device)
    steps = published.planned_steps(published.METHODS["glcic"], "glcic", tmp_path / "glcic", chosen)
    assert steps == 3 * 60 / seconds


def test_recipes_of_one_method_share_its_budget(published, options, monkeypatch, tmp_path):
    count = published.TRIAL_STEPS + 2
    monkeypatch.setattr(published, "run", lambda *_: [(float(step), float(step)) for step in range(count)])
    chosen = options("--minutes", "4")
    assert published.planned_steps(published.METHODS["edgeconnect"], published.EDGES, tmp_path / "e", chosen) == 120


def test_what_was_planned_is_kept(published, options, monkeypatch, tmp_path):
    monkeypatch.setattr(published, "run", lambda *_: pytest.fail("a second trial"))
    published.note(tmp_path / published.PLAN, steps=77)
    published.note(tmp_path / published.PLAN, processor_seconds=1.5)
    method = published.METHODS["glcic"]
    assert published.planned_steps(method, "glcic", tmp_path, options("--minutes", "9")) == 77
    assert json.loads((tmp_path / published.PLAN).read_text()) == {"steps": 77, "processor_seconds": 1.5}


def test_the_first_table_sets_what_was_measured_beside_what_was_published(published):
    table = published.centre_random_table(summary(("centre", "glcic", 20.0), ("random", "telea", 30.0)))
    assert line_of(table, "glcic")[1:4] == ["19.90 / 0.836", "20.00 / 1.000 / 0.200", "1.00 / 1.000 / 1.000"]
    assert line_of(table, "glcic")[4] == "–"
    assert line_of(table, "telea")[4] == "30.00 / 1.000 / 0.300"
    assert line_of(table, "GMCNN")[1] == "20.62 / 0.851"


def test_the_second_table_has_a_dash_where_a_backend_could_not_fill(published):
    table = published.repaint_table(summary(("wide", "telea", 5.0), ("half", "telea", 40.0)))
    assert line_of(table, "telea")[1:] == ["0.050", "–", "–", "–", "0.400", "–"]
    assert line_of(table, "LaMa, published")[1] == "0.045"


def test_runs_that_are_not_whole_are_in_no_table(published, tmp_path):
    (tmp_path / "glcic").mkdir()
    assert "glcic" not in published.runs_table(tmp_path)
    assert published.trained(Namespace(runs=tmp_path)) == []


def test_a_method_that_there_is_not_is_refused(published):
    assert published.names("glcic,pconv") == ("glcic", "pconv")
    with pytest.raises(ArgumentTypeError, match="glcc is none of"):
        published.names("glcc")
