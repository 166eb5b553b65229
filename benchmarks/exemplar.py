"""Our `exemplar` against PyPatchMatch: `python benchmarks/exemplar.py --lpips FILE [--data DIR]`.

Holes are random and lie on known pixels, so that PSNR and LPIPS inside of them can be measured: on the bundled
photographs away from their own masks, and on held-out pictures of DIR, cut square and scaled. The photographs' own
holes, where nothing is known, are filled for time and for the eye (`--save DIR`). Times are processor seconds of the
whole process after one fill that compiles.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from inpaint_lens.backends import load
from inpaint_lens.evaluation.metrics import score
from inpaint_lens.evaluation.perceptual import Lpips
from inpaint_lens.plugin.demo import photographs
from inpaint_lens.training.holes import random_hole
from inpaint_lens.training.pictures import read_rgb, split_by_picture

NAMES = ("patchmatch", "exemplar")
Array = np.ndarray


def fill(name: str, picture: Array, hole: Array, excluded: Array | None = None) -> tuple[Array, float]:
    """The filled picture uint8 `[H, W, 3]`, and processor seconds."""
    as_mask = lambda mask: torch.from_numpy(mask.astype(np.float32))[None, None]  # noqa: E731
    image = torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]
    barred = None if excluded is None else as_mask(excluded)
    begin = time.process_time()
    output = load(name)(image * (1 - as_mask(hole)), as_mask(hole), exclude=barred)
    seconds = time.process_time() - begin
    array = np.rint(output[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).astype(np.uint8)
    return np.where(hole[..., None], array, picture), seconds


def square(picture: Array, side: int) -> Array:
    least = min(picture.shape[:2])
    top, left = (picture.shape[0] - least) // 2, (picture.shape[1] - least) // 2
    crop = picture[top : top + least, left : left + least]
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def hole_of(size: tuple[int, int], low: float, high: float, rng: np.random.Generator) -> Array:
    while True:
        hole = random_hole(size, rng)
        if low < hole.mean() < high:
            return hole


def held_out(data: Path, count: int, side: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array, None]]:
    _, files = split_by_picture(data)
    for index in rng.permutation(len(files))[:count]:
        yield square(read_rgb(files[index]), side), hole_of((side, side), 0.05, 0.35, rng), None


def bundled(long_side: int, holes: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array, Array]]:
    for photo in photographs():
        picture, own = scaled(photo, long_side)
        size = (own.shape[0], own.shape[1])
        for _ in range(holes):
            hole = hole_of(size, 0.03, 0.2, rng) & ~own
            while hole.mean() < 0.02:
                hole = hole_of(size, 0.03, 0.2, rng) & ~own
            yield picture, hole, own


def scaled(photo: Path, long_side: int) -> tuple[Array, Array]:
    picture = read_rgb(photo)
    mask = cv2.imread(str(photo.with_name(f"{photo.stem}_mask.png")), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    factor = min(1.0, long_side / max(picture.shape[:2]))
    size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA)) > 0


def compare(title: str, cases: Iterator[tuple[Array, Array, Array | None]], measure: Lpips) -> None:
    rows = []
    for picture, hole, excluded in cases:
        row = []
        for name in NAMES:
            result, seconds = fill(name, picture, hole, excluded)
            inside = score(result, picture, hole, measure).inside
            assert inside.lpips is not None
            row.append((inside.psnr, inside.ssim, inside.lpips, seconds))
        rows.append(row)
    values = np.array(rows)
    print(f"{title}: {len(values)} holes; inside of them")
    print(f"{'backend':12} {'PSNR':>7} {'SSIM':>7} {'LPIPS':>7} {'seconds':>8}")
    for index, name in enumerate(NAMES):
        psnr, ssim, lpips, seconds = values[:, index].mean(0)
        print(f"{name:12} {psnr:7.2f} {ssim:7.4f} {lpips:7.4f} {seconds:8.2f}")
    gap = values[:, 1] - values[:, 0]
    error = gap.std(0, ddof=1) / np.sqrt(len(gap))
    mean, ratio = gap.mean(0), values[:, 1].mean(0) / values[:, 0].mean(0)
    print(f"difference   PSNR {mean[0]:+.2f} ± {error[0]:.2f} dB, SSIM {mean[1]:+.4f}, LPIPS {mean[2]:+.4f}", end="")
    print(f" ± {error[2]:.4f}; better PSNR in {(gap[:, 0] > 0).mean():.0%}, LPIPS in {(gap[:, 2] < 0).mean():.0%}")
    print(f"ratio        PSNR {ratio[0]:.3f}, LPIPS {ratio[2]:.3f}, time {ratio[3]:.2f}\n", flush=True)


def own_holes(long_side: int, save: Path | None, say: Callable[[str], None]) -> None:
    say(f"the photographs' own holes, long side at most {long_side} px, processor seconds")
    for photo in photographs():
        picture, hole = scaled(photo, long_side)
        results, seconds = zip(*(fill(name, picture, hole) for name in NAMES), strict=True)
        spent = "  ".join(f"{name} {value:6.2f}" for name, value in zip(NAMES, seconds, strict=True))
        say(f"{photo.stem:24} {spent}  ratio {seconds[1] / seconds[0]:.2f}")
        if save:
            save.mkdir(parents=True, exist_ok=True)
            side_by_side = np.hstack([picture, *results])
            cv2.imwrite(str(save / f"{photo.stem}.png"), side_by_side[..., ::-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lpips", type=Path, required=True, help="safetensors file with AlexNet and the LPIPS heads")
    parser.add_argument("--data", type=Path, help="folder of pictures; without it the bundled photographs only")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--holes", type=int, default=3, help="random holes in each bundled photograph")
    parser.add_argument("--long-side", type=int, default=768, help="of the bundled photographs")
    parser.add_argument("--save", type=Path, help="folder for pictures of the photographs' own holes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    measure = Lpips(options.lpips)
    rng = np.random.default_rng(11)
    warm = np.zeros((64, 64), bool)
    warm[20:40, 20:40] = True
    for name in NAMES:
        fill(name, rng.integers(0, 256, (64, 64, 3), np.uint8), warm)
    if options.data:
        cases = held_out(options.data, options.pictures, options.side, rng)
        compare(f"held-out pictures of {options.side} px", cases, measure)
    compare("bundled photographs, random holes", bundled(options.long_side, options.holes, rng), measure)
    own_holes(options.long_side, options.save, print)


if __name__ == "__main__":
    main()
