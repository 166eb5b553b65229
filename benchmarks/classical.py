"""How well and how fast fills without a trained network are: `python benchmarks/classical.py`.

The bundled photographs, scaled down, get seeded scratches and small boxes; PSNR is inside the hole.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import inpaint_lens as lens
import numpy as np
from inpaint_lens.evaluation.metrics import psnr
from inpaint_lens.imaging.reading import read_picture
from inpaint_lens.plugin.demo import photographs
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def scratches(size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Eight bent lines of 2 to 5 pixels."""
    canvas = np.zeros(size, np.uint8)
    for _ in range(8):
        points = rng.integers(0, size[::-1], (3, 2)).astype(np.int32)
        cv2.polylines(canvas, [points], isClosed=False, color=1, thickness=int(rng.integers(2, 6)))
    return canvas.astype(bool)


def boxes(size: tuple[int, int], rng: np.random.Generator) -> Mask:
    """Eight boxes with sides of 10 to 30 pixels."""
    mask = np.zeros(size, bool)
    for _ in range(8):
        height, width = rng.integers(10, 31, 2)
        top, left = rng.integers(0, (size[0] - height, size[1] - width))
        mask[top : top + height, left : left + width] = True
    return mask


def measured(names: list[str], holes: Callable[..., Mask], longest: int) -> NDArray[np.float64]:
    """Seconds and PSNR of each backend on each photograph, `[photographs, names, 2]`."""
    rng = np.random.default_rng(1)
    rows = []
    for path in photographs():
        photo = read_picture(path).to_srgb8()
        factor = longest / max(photo.shape)
        image = np.asarray(cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
        hole = holes(image.shape[:2], rng)
        row = []
        for name in names:
            start = time.perf_counter()
            result = lens.fill(image, hole, name, feather=0).image
            row.append((time.perf_counter() - start, psnr(result, image, hole)))
        rows.append(row)
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", default="telea,navier-stokes,isophote,total-variation,biharmonic")
    parser.add_argument("--longest", type=int, default=640, help="longer side of the photographs in pixels")
    options = parser.parse_args()
    names = options.backends.split(",")
    for name in names:
        lens.fill(np.zeros((64, 64, 3), np.uint8), np.eye(64, dtype=bool), name)
    for kind in (scratches, boxes):
        values = measured(names, kind, options.longest)
        print(f"{kind.__name__} on {len(values)} photographs")
        print(f"{'backend':16} {'PSNR':>6} {'seconds':>8}   difference in PSNR to {names[0]}, with its standard error")
        for i, name in enumerate(names):
            gap = values[:, i, 1] - values[:, 0, 1]
            error = gap.std(ddof=1) / np.sqrt(len(gap))
            text = f"{gap.mean():+.2f} ± {error:.2f} dB" if i else ""
            print(f"{name:16} {values[:, i, 1].mean():6.2f} {np.median(values[:, i, 0]):8.2f}   {text}")


if __name__ == "__main__":
    main()
