"""Train published methods with an equal budget, and make two tables of theirs beside the published ones.

    python benchmarks/published.py train --data DIR --out RUNS --minutes 6
    python benchmarks/published.py tables --data DIR --runs RUNS -o OUT --lpips FILE

`train` runs the recipes one after another through the package's own trainer, each for as many steps as fit into the
minutes: of processor time on a processor, of the clock on a GPU. A method that is done is left as it is, and one that
was stopped goes on. `tables` measures what is in RUNS beside backends that need no training here, and writes
`runs.md`, `centre_random.md`, `repaint.md`, `sheet.png` and `explained.png`; it goes on where it was stopped too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from inpaint_lens.backends.architectures import resolve
from inpaint_lens.backends.registry import load, unload
from inpaint_lens.evaluation.bench import Bench, Plan
from inpaint_lens.evaluation.filling import fill
from inpaint_lens.evaluation.mask_sets import centre, mask_sets
from inpaint_lens.evaluation.models import Model, parse
from inpaint_lens.evaluation.page import hidden
from inpaint_lens.evaluation.perceptual import Lpips
from inpaint_lens.evaluation.pictures import TestPicture, select
from inpaint_lens.evaluation.publish import publish
from inpaint_lens.evaluation.record import Record, sha256
from inpaint_lens.evaluation.sheet import Cell, contact_sheet
from inpaint_lens.evaluation.summary import Summary, summarise
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.writing import write_picture
from inpaint_lens.plugin import comparison
from inpaint_lens.plugin.demo import SAMPLES
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import ExplainOptions, FillOptions
from inpaint_lens.training.config import Config, read_config
from inpaint_lens.training.pictures import split_by_picture
from inpaint_lens.training.trainer import Trainer
from inpaint_lens.training.watch import Watch

Moment = tuple[float, float]
RGB = np.ndarray[Any, np.dtype[np.uint8]]
RECIPES = Path(__file__).parent.parent / "recipes"
PAPER_SIDE_PX = 256
"""Side that the scales of the recipes' crops belong to, whatever the side of a run."""
TRIAL_STEPS, WARMING_STEPS = 15, 5
"""Steps of a run that takes the time of a step, and how many of them are not counted."""
HELD_OUT_SHARE = 0.2
PLAN, WEIGHTS = "budget.json", "weights.safetensors"
EDGES = "edgeconnect_edges"


@dataclass(frozen=True)
class Method:
    """A published method.

    Attributes:
        backend: what its weights are of.
        recipes: trained one after another; they share the budget.
        vgg: which VGG its losses need, `16` or `19`; none by default.
        local: whether a second discriminator sees a square of half the picture's side, which the recipe states.
    """

    backend: str
    recipes: tuple[str, ...]
    vgg: str = ""
    local: bool = False


METHODS = {
    "context_encoder": Method("context-encoder", ("context_encoder",)),
    "glcic": Method("glcic", ("glcic",), local=True),
    "deepfill_v1": Method("deepfill-v1", ("deepfill_v1",), local=True),
    "dual_path": Method("dual-path", ("dual_path",)),
    "pconv": Method("pconv", ("pconv",), vgg="16"),
    "deepfill_v2": Method("deepfill-v2-pt", ("deepfill_v2",)),
    "aot_gan": Method("aot-gan", ("aot_gan",), vgg="19"),
    "edgeconnect": Method("edgeconnect", (EDGES, "edgeconnect"), vgg="19"),
}
METHOD_BACKENDS = {method.backend for method in METHODS.values()}
TABLE_METHODS = ("context_encoder", "glcic", "deepfill_v1", "dual_path")
TABLES = {
    "centre_random": ("centre", "random"),
    "repaint": ("wide", "narrow", "super-resolve", "alternating-lines", "half", "expand"),
}
"""Mask sets of each table."""
PUBLISHED = {
    "context-encoder": "18.72 / 0.843",
    "glcic": "19.90 / 0.836",
    "deepfill-v1": "20.38 / 0.855",
    "dual-path": "24.06 / 0.857",
    "GMCNN": "20.62 / 0.851",
}
"""PSNR and SSIM in the table of Zhao and Zhao."""
REPAINT = {
    "LaMa": (0.045, 0.028, 0.177, 0.083, 0.138, 0.342),
    "RePaint": (0.059, 0.028, 0.029, 0.009, 0.165, 0.435),
}
"""LPIPS on CelebA-HQ in the table of Lugmayr et al. 2022."""
OTHERS = "telea,navier-stokes,patchmatch,exemplar,isophote,lens-small"
DIGITS = (("psnr", 2), ("ssim", 3), ("lpips", 3))
SHOWN = (
    ("lighthouse", "centre"),
    ("otter", "centre"),
    ("kitten", "random"),
    ("colorado_sign", "wide"),
    ("dune_hikers", "half"),
)
"""Bundled photographs on the sheet, and what is hidden of them."""
EXPLAINED, CELL_PX = "otter", 128


def changes(method: Method, recipe: str, options: argparse.Namespace) -> list[str]:
    """What a run takes instead of the recipe's own settings, `section.name=value` each.

    At another side than the recipe's the crops are cut from as large a part of the pictures as at 256 px.
    """
    found = [f"data.folder={options.data}", f"data.validation_share={HELD_OUT_SHARE}", "trainer.sample_every=0"]
    if method.vgg and recipe != EDGES:
        file = options.vgg16 if method.vgg == "16" else options.vgg19
        if file is None:
            raise InputError(f"The losses of {recipe} need VGG{method.vgg}: give --vgg{method.vgg} FILE.")
        found.append(f"vgg.weights={file}")
    if options.as_published:
        return found
    factor = PAPER_SIDE_PX / options.side
    found += [f"data.side={options.side}", f"data.scale=[{factor}, {2 * factor}]", f"trainer.batch={options.batch}"]
    found += [f"trainer.precision={options.precision}", *(["trainer.workers=0"] if options.device == "cpu" else [])]
    return found + ([f"recipe.local={options.side // 2}"] if method.local else [])


def schedule(published: Mapping[str, Any], published_steps: int, steps: int) -> list[str]:
    """Phases of a recipe's schedule, which are counted in steps, in proportion to a run of `steps`."""
    names = [name for name in ("completion_steps", "discriminator_steps") if name in published]
    return [f"recipe.{name}={round(published[name] * steps / published_steps)}" for name in names]


def configuration(method: Method, recipe: str, options: argparse.Namespace, steps: int | None = None) -> Config:
    """The recipe of a run of so many steps, or of as many as were published."""
    file, own = RECIPES / f"{recipe}.toml", changes(method, recipe, options)
    published = read_config(file, own)
    if steps is None:
        return published
    scaled = schedule(published.recipe, published.trainer.steps, steps)
    return read_config(file, [*own, *scaled, f"trainer.steps={steps}"])


def run(config: Config, folder: Path, device: str) -> list[Moment]:
    """Train; the processor's time and the clock's before the first step, after each and at the end."""
    moments: list[Moment] = []
    watch = Watch(print, lambda _progress: moments.append(now()))
    trainer = Trainer(config, folder, device, resume=True, watch=watch)
    moments.append(now())
    trainer.train()
    return [*moments, now()]


def now() -> Moment:
    """Processor seconds of this process, and seconds of the clock."""
    return time.process_time(), time.monotonic()


def planned_steps(method: Method, recipe: str, folder: Path, options: argparse.Namespace) -> int | None:
    """How many steps fit into the minutes, by the time of a short run; what an earlier call found is kept.

    None without a budget: the steps of the recipe.
    """
    plan = folder / PLAN
    if plan.exists():
        return json.loads(plan.read_text())["steps"]
    if options.minutes is None:
        return None
    trial = configuration(method, recipe, options, TRIAL_STEPS)
    with tempfile.TemporaryDirectory() as place:
        moments = [one[options.device != "cpu"] for one in run(trial, Path(place) / "trial", options.device)]
    taken = (moments[TRIAL_STEPS] - moments[WARMING_STEPS]) / (TRIAL_STEPS - WARMING_STEPS)
    steps = max(1, round(options.minutes * 60 / len(method.recipes) / taken))
    note(plan, steps=steps, minutes=options.minutes, trial_seconds_per_step=round(taken, 3))
    return steps


def note(path: Path, **facts: Any) -> None:
    """Add facts to a JSON file."""
    known = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | facts, indent=2) + "\n")


def train(options: argparse.Namespace) -> None:
    """Train each method whose weights are not there yet; times that are noted are of the call that ended the run."""
    if options.device == "cpu":
        torch.set_num_threads(1)
    for name in options.methods:
        for recipe in METHODS[name].recipes:
            folder = options.out / recipe
            if (folder / WEIGHTS).exists():
                print(f"{recipe}: done already")
                continue
            steps = planned_steps(METHODS[name], recipe, folder, options)
            config = configuration(METHODS[name], recipe, options, steps)
            print(f"{recipe}: {config.trainer.steps} steps", flush=True)
            moments = run(config, folder, options.device)
            processor, clock = (last - first for first, last in zip(moments[0], moments[-1], strict=True))
            note(folder / PLAN, steps=config.trainer.steps, processor_seconds=processor, clock_seconds=clock)


def trained(options: argparse.Namespace) -> list[Model]:
    """The methods whose runs are whole."""
    found = []
    for method in METHODS.values():
        files = [options.runs / recipe / WEIGHTS for recipe in method.recipes]
        if all(file.exists() for file in files):
            found.append(Model(method.backend, method.backend, resolve(files, method.backend)[1]))
    return found


def models(options: argparse.Namespace) -> list[Model]:
    """What was trained, then what needs no training here."""
    return [*trained(options), *(parse(options.backends.split(",")) if options.backends else ())]


def measure(name: str, count: int, options: argparse.Namespace) -> Summary:
    """Fill and measure `count` held-out pictures with the mask sets of a table, as `inpaint-lens bench` does."""
    found, folder = models(options), options.out / name
    folder.mkdir(parents=True, exist_ok=True)
    files = split_by_picture(options.data, HELD_OUT_SHARE)[1]
    selection = select(files, options.data, options.side, options.seed, count)
    plan = Plan(
        tuple(found), tuple(mask_sets(TABLES[name])), selection, options.side, options.seed, folder, options.device
    )
    settings = {
        "data": str(options.data.resolve()),
        "size": options.side,
        "seed": options.seed,
        "lpips_sha256": sha256(options.lpips),
    }
    record = Record(folder / "run.json", settings, found, f"published.py tables: {name}")
    bench = Bench(plan, Lpips(options.lpips), on_loaded=lambda label, device: print(name, label, device, flush=True))
    bench.run()
    publish(bench, record, {})
    for failure in bench.failures:
        print("failed:", *filter(None, (failure.backend, failure.mask, failure.picture)), failure.reason)
    return summarise(bench.results.rows, TABLES[name], [model.label for model in found], options.seed)


def row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def means(summary: Summary, mask: str, backend: str, measures: Sequence[tuple[str, int]]) -> str:
    """Means of a backend on a mask set, a stroke between; a dash where it could not fill."""
    cell = next((one for one in summary.cells if (one.mask, one.backend) == (mask, backend)), None)
    return " / ".join(f"{cell.means[key].mean:.{digits}f}" for key, digits in measures) if cell else "–"


def backends_of(summary: Summary) -> list[str]:
    """Names in the order of the table."""
    return list(dict.fromkeys(cell.backend for cell in summary.cells))


def centre_random_table(summary: Summary) -> str:
    """PSNR, SSIM and LPIPS for both mask sets, over the picture and in the hole, beside what was published."""
    columns = [(mask, area) for mask in TABLES["centre_random"] for area in ("picture", "hole")]
    lines = [
        row(["backend", "published", *(f"{mask}, {area}" for mask, area in columns)]),
        row(["---", *["---:"] * (len(columns) + 1)]),
    ]
    for name in backends_of(summary):
        measures = [[(f"{one}_{area}", digits) for one, digits in DIGITS] for _, area in columns]
        found = (means(summary, mask, name, keys) for (mask, _), keys in zip(columns, measures, strict=True))
        lines.append(row([f"`{name}`", PUBLISHED.get(name, ""), *found]))
    lines += [row([name, PUBLISHED[name], *[""] * len(columns)]) for name in PUBLISHED if name not in METHOD_BACKENDS]
    return "\n".join(lines) + "\n"


def repaint_table(summary: Summary) -> str:
    """LPIPS over the picture for the six mask sets, below what was published."""
    masks = TABLES["repaint"]
    lines = [row(["backend", *masks]), row(["---", *["---:"] * len(masks)])]
    lines += [row([f"{name}, published", *(f"{one:.3f}" for one in values)]) for name, values in REPAINT.items()]
    for name in backends_of(summary):
        lines.append(row([f"`{name}`", *(means(summary, mask, name, [("lpips_picture", 3)]) for mask in masks)]))
    return "\n".join(lines) + "\n"


def runs_table(runs: Path) -> str:
    """What each run was."""
    lines = [
        row(["recipe", "steps", "batch", "side", "processor minutes", "clock minutes", "pictures"]),
        row(["---", *["---:"] * 6]),
    ]
    for recipe in (recipe for method in METHODS.values() for recipe in method.recipes):
        if not (runs / recipe / WEIGHTS).exists():
            continue
        report, plan = (json.loads((runs / recipe / file).read_text()) for file in ("report.json", PLAN))
        minutes = (f"{plan[key] / 60:.1f}" for key in ("processor_seconds", "clock_seconds"))
        config, pictures = report["config"], report["pictures"]
        facts = report["steps"], config["trainer"]["batch"], config["data"]["side"]
        lines.append(row([f"`{recipe}`", *map(str, facts), *minutes, str(pictures["train"])]))
    return "\n".join(lines) + "\n"


def sheet(options: argparse.Namespace) -> RGB:
    """Fills of bundled photographs, which no run has seen, by everything in the tables."""
    pictures = [TestPicture(stem, SAMPLES / f"{stem}.jpg").square(options.side) for stem, _ in SHOWN]
    holes = [mask_sets([mask])[0].hole(stem, options.side, options.seed) for stem, mask in SHOWN]
    rows = [[Cell(hidden(one, hole), mask)] for one, hole, (_, mask) in zip(pictures, holes, SHOWN, strict=True)]
    for model in models(options):
        unload()
        backend = load(model.backend, options.device, model.files)
        for cells, picture, hole in zip(rows, pictures, holes, strict=True):
            cells.append(Cell(fill(backend, picture, hole, options.seed, None).picture, model.label))
    for cells, picture in zip(rows, pictures, strict=True):
        cells.append(Cell(picture, "original"))
    return contact_sheet(rows, cell_px=CELL_PX)


def explained(options: argparse.Namespace) -> RGB:
    """What was trained, side by side on one hole: the fills, and where each comes from."""
    picture = TestPicture(EXPLAINED, SAMPLES / f"{EXPLAINED}.jpg").square(options.side)
    source = Source(Picture.from_array(picture), Hole(centre(options.side, np.random.default_rng(0))))
    ways = [FillOptions(model.backend, options.device, feather_px=0, weights=model.files) for model in trained(options)]
    outcomes = [fill_and_explain(source, way, ExplainOptions()) for way in ways]
    for outcome in outcomes:
        print(outcome.filling.backend.info.name, "-", outcome.explanation.sentence if outcome.explanation else "")
    return comparison.sheet(source, outcomes)


def tables(options: argparse.Namespace) -> None:
    """Measure, and write tables and sheet."""
    if options.device == "cpu":
        torch.set_num_threads(1)
    texts = {
        "runs": runs_table(options.runs),
        "centre_random": centre_random_table(measure("centre_random", options.pictures, options)),
        "repaint": repaint_table(measure("repaint", options.repaint_pictures, options)),
    }
    for name, text in texts.items():
        (options.out / f"{name}.md").write_text(text)
        print(f"\n{text}")
    pictures = {"sheet": sheet(options), **({"explained": explained(options)} if trained(options) else {})}
    for name, pixels in pictures.items():
        write_picture(Picture.from_array(pixels), options.out / f"{name}.png", overwrite=True)


def names(text: str) -> tuple[str, ...]:
    """Methods by name, a comma between."""
    wanted = tuple(text.split(","))
    if unknown := [name for name in wanted if name not in METHODS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is none of {', '.join(METHODS)}")
    return wanted


def parser() -> argparse.ArgumentParser:
    """Both commands."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train", help="train the methods")
    one.add_argument("--data", type=Path, required=True, help="folder of pictures; a fifth of them is held out")
    one.add_argument("--out", type=Path, required=True, help="folder of the runs")
    one.add_argument("--minutes", type=float, help="budget of each method (default: the steps of the recipes)")
    one.add_argument("--methods", type=names, default=TABLE_METHODS, help=f"of {','.join(METHODS)}")
    one.add_argument("--as-published", action="store_true", help="side, batch and precision of the recipes")
    one.add_argument("--side", type=int, default=128, help="of the crops, px (default 128)")
    one.add_argument("--batch", type=int, default=8, help="(default 8)")
    one.add_argument("--precision", default="bf16", help="no or bf16 (default bf16)")
    one.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N or mps (default cpu, one core)")
    one.add_argument("--vgg16", type=Path, help="torchvision's VGG16, for pconv")
    one.add_argument("--vgg19", type=Path, help="torchvision's VGG19, for aot_gan and edgeconnect")
    two = commands.add_parser("tables", help="measure what was trained")
    two.add_argument("--data", type=Path, required=True, help="the folder that was trained on")
    two.add_argument("--runs", type=Path, required=True, help="what `train` wrote")
    two.add_argument("-o", "--out", type=Path, required=True, help="folder of tables and reports")
    two.add_argument("--lpips", type=Path, required=True, help="AlexNet with the heads of LPIPS, safetensors")
    two.add_argument("--backends", default=OTHERS, help=f"others to measure (default {OTHERS})")
    two.add_argument("--pictures", type=int, default=100, help="held-out ones of the first table (default 100)")
    two.add_argument("--repaint-pictures", type=int, default=50, help="of the second (default 50)")
    two.add_argument("--side", type=int, default=128, help="of the pictures, px (default 128)")
    two.add_argument("--seed", type=int, default=0, help="of holes and fills (default 0)")
    two.add_argument("--device", default="cpu", help="cpu, cuda, cuda:N or mps (default cpu, one core)")
    return top


def main() -> None:
    """Run a command."""
    options = parser().parse_args()
    {"train": train, "tables": tables}[options.command](options)


if __name__ == "__main__":
    main()
