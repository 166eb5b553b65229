"""How well backends fill held-out pictures: `python benchmarks/fill_quality.py --data DIR --lpips FILE`.

Pictures are those that training never saw (the split of `training.pictures`), cut square and scaled; holes are
irregular strokes, boxes and blobs. PSNR and LPIPS are inside the hole, averaged over pictures, with the standard error
of the difference to the first backend.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import inpaint_lens as lens
import numpy as np
from inpaint_lens.evaluation.metrics import score
from inpaint_lens.evaluation.perceptual import Lpips
from inpaint_lens.training.holes import random_hole
from inpaint_lens.training.pictures import read_rgb, split_by_picture


def square(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    crop = picture[top : top + least, left : left + least]
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lpips", type=Path, required=True, help="safetensors file with AlexNet and the LPIPS heads")
    parser.add_argument("--backends", default="lens-small,telea,navier-stokes,patchmatch")
    parser.add_argument("--pictures", type=int, default=150)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--cover", default="0.15,0.35", help="least and largest share of the picture that is hole")
    options = parser.parse_args()
    names = options.backends.split(",")
    low, high = (float(text) for text in options.cover.split(","))
    _, held_out = split_by_picture(options.data)
    rng = np.random.default_rng(1)
    measure = Lpips(options.lpips)
    rows = []
    for index in rng.permutation(len(held_out))[: options.pictures]:
        picture = square(read_rgb(held_out[index]), options.side)
        hole = random_hole(picture.shape[:2], rng)
        while not low < hole.mean() < high:
            hole = random_hole(picture.shape[:2], rng)
        row = []
        for name in names:
            result = lens.fill(picture, hole, name, feather=0).image
            inside = score(result, picture, hole, measure).inside
            row.append((inside.psnr, inside.ssim, inside.l1, inside.lpips))
        rows.append(row)
    values = np.array(rows)
    print(f"{len(values)} held-out pictures of {options.side} px, holes of {low:.0%} to {high:.0%}, inside the hole")
    print(f"{'backend':15} {'PSNR':>6} {'SSIM':>6} {'L1':>7} {'LPIPS':>7}   difference in PSNR and LPIPS to the first")
    for i, name in enumerate(names):
        mean = values[:, i].mean(0)
        gap = values[:, i] - values[:, 0]
        error = gap.std(0, ddof=1) / np.sqrt(len(gap))
        text = (
            "" if i == 0 else f"{gap[:, 0].mean():+.2f} ± {error[0]:.2f} dB, {gap[:, 3].mean():+.3f} ± {error[3]:.3f}"
        )
        print(f"{name:15} {mean[0]:6.2f} {mean[1]:6.3f} {mean[2]:7.4f} {mean[3]:7.4f}   {text}")


if __name__ == "__main__":
    main()
