"""`lens-small`: how well it fills what it was trained without, how fast, and what that looks like.

    python benchmarks/lens_small.py quality --data DIR --lpips FILE -o REPORT [--limit N]
    python benchmarks/lens_small.py squares -o DIR
    python benchmarks/lens_small.py time
    python benchmarks/lens_small.py sheet --data DIR -o FILE.jpg [--names FILE]

DIR holds the training pictures. The shipped weights were trained with a split by the order of the names, which is made
again here; `train` splits by a hash of the name since. `squares` cuts 512 x 512 pixels out of the bundled photographs,
no part of which was trained on; `inpaint-lens bench --data DIR --size 512 ...` measures on them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from inpaint_lens.backends import load
from inpaint_lens.backends.lens_small import GuidedCopies
from inpaint_lens.backends.onnx_export import export
from inpaint_lens.cli import main as command
from inpaint_lens.evaluation.mask_sets import mask_sets
from inpaint_lens.evaluation.pictures import find_pictures
from inpaint_lens.imaging.monitor import Monitor
from inpaint_lens.plugin.demo import photographs
from numpy.typing import NDArray

MASKS = "irregular-10-20,irregular-20-30,irregular-30-40"
BACKENDS = "lens-small,telea,navier-stokes,patchmatch"
RGB = NDArray[np.uint8]


def held_out(folder: Path) -> list[Path]:
    """The tenth of the pictures, by original (`NAME__00`, `NAME__01`, ...), that the shipped weights have not seen."""
    original = lambda path: path.stem.rpartition("__")[0] or path.stem  # noqa: E731
    files = find_pictures(folder)
    names = sorted({original(path) for path in files})
    order = np.random.default_rng(0).permutation(len(names))
    kept = {names[index] for index in order[: round(0.1 * len(names))]}
    return [path for path in files if original(path) in kept]


def quality(data: Path, lpips: Path, report: Path, limit: int) -> None:
    """`bench` on the held-out pictures at 256 px."""
    with tempfile.TemporaryDirectory() as folder:
        for path in held_out(data):
            (Path(folder) / path.name).symlink_to(path.resolve())
        arguments = ["--data", folder, "--backends", BACKENDS, "--masks", MASKS, "--limit", str(limit)]
        command(["bench", *arguments, "--lpips", str(lpips), "-o", str(report)])


def squares(folder: Path, side: int = 512) -> None:
    """Cut as many squares as fit side by side out of each bundled photograph."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in photographs():
        picture = cv2.imread(str(path))
        assert picture is not None
        for top in range(0, picture.shape[0] - side + 1, side):
            for left in range(0, picture.shape[1] - side + 1, side):
                part = picture[top : top + side, left : left + side]
                cv2.imwrite(str(folder / f"{path.stem}_{top}_{left}.png"), part)


def median_seconds(work: Callable[[], object], times: int = 9) -> float:
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


@torch.inference_mode()
def speed() -> None:
    """Seconds of a fill at both sizes, and of the network by PyTorch and by ONNX Runtime."""
    import onnxruntime as ort

    backend = load("lens-small", "cpu")
    assert isinstance(backend, GuidedCopies)
    for side in (256, 512):
        image, hole = _case(side)
        whole = median_seconds(lambda image=image, hole=hole: backend(image, hole))
        drawn = median_seconds(lambda image=image, hole=hole: backend.drawn(image, hole, None, Monitor()))
        print(f"{side} x {side}, hole of {hole.mean() * 100:.0f} %: {whole:.2f} s, of which the network {drawn:.2f} s")
    image, hole = _case(256)
    with tempfile.TemporaryDirectory() as folder:
        export(backend, Path(folder) / "graph.onnx", 256)
        session = ort.InferenceSession(Path(folder) / "graph.onnx", providers=["CPUExecutionProvider"])
        feeds = {"image": image.numpy(), "hole": hole.numpy()}
        onnx_s = median_seconds(lambda: session.run(None, feeds))
    torch_s = median_seconds(lambda: backend.network(image, hole))
    print(f"network at 256 x 256: PyTorch {torch_s:.2f} s, ONNX Runtime {onnx_s:.2f} s, ratio {onnx_s / torch_s:.1f}")


def _case(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    path = photographs()[0]
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    hole = mask_sets(["irregular-20-30"])[0].hole("speed", side, 0)
    return _tensor(picture[:side, :side] / 255), _tensor(hole[..., None])


def _tensor(values: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32))


def sheet(data: Path, target: Path, names: Path | None, columns: int = 5, side: int = 256, shown: int = 120) -> None:
    """Forty held-out pictures: hole, fill of `lens-small`, fill of `patchmatch`, truth."""
    files = {path.name: path for path in held_out(data)}
    chosen = names.read_text().split() if names else sorted(files)[:40]
    tiles = [_tile(files[name], number, side, shown) for number, name in enumerate(chosen)]
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    cv2.imwrite(str(target), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 75])


@torch.inference_mode()
def _tile(path: Path, number: int, side: int, shown: int) -> RGB:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert picture is not None
    least = min(picture.shape[:2])
    top, left = (picture.shape[0] - least) // 2, (picture.shape[1] - least) // 2
    square = cv2.resize(picture[top : top + least, left : left + least], (side, side), interpolation=cv2.INTER_AREA)
    hole = mask_sets(MASKS.split(","))[number % 3].hole(path.name, side, 0)
    image, mask = _tensor(square / 255), _tensor(hole[..., None])
    shots = [np.where(hole[..., None], 255, square)]
    for name in ("lens-small", "patchmatch"):
        fill = load(name, "cpu")(image * (1 - mask), mask)[0].clamp(0, 1).permute(1, 2, 0).numpy()
        shots.append(np.where(hole[..., None], np.rint(fill * 255), square))
    shots = [shot.astype(np.uint8) for shot in [*shots, square]]
    small = [cv2.resize(shot, (shown, shown), interpolation=cv2.INTER_AREA) for shot in shots]
    return np.pad(np.hstack(small), ((0, 4), (0, 8), (0, 0)), constant_values=255)


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["quality", "squares", "time", "sheet"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--lpips", type=Path)
    parser.add_argument("--names", type=Path, help="text file with the names of the pictures of the sheet")
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    if options.what == "quality":
        quality(options.data, options.lpips, options.output, options.limit)
    elif options.what == "squares":
        squares(options.output)
    elif options.what == "time":
        speed()
    else:
        sheet(options.data, options.output, options.names)


if __name__ == "__main__":
    main()
