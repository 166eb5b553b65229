"""How many evaluations a complete attribution takes: `python benchmarks/completeness.py [--data DIR]`.

Explains `lens-small` on the bundled photographs and on held-out pictures, and prints the completeness error and the
number of network evaluations of each.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import inpaint_lens as lens
import numpy as np
from inpaint_lens.plugin.demo import photographs
from inpaint_lens.training.holes import random_hole
from inpaint_lens.training.pictures import read_rgb, split_by_picture


def cases(data: Path | None, count: int) -> list[tuple[str, object, object]]:
    found: list[tuple[str, object, object]] = [
        (photo.stem, photo, photo.with_name(f"{photo.stem}_mask.png")) for photo in photographs()
    ]
    if data:
        _, held_out = split_by_picture(data)
        rng = np.random.default_rng(2)
        for index in rng.permutation(len(held_out))[: count - len(found)]:
            picture = read_rgb(held_out[index])
            found.append((held_out[index].stem[-40:], picture, random_hole(picture.shape[:2], rng)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--backend", default="lens-small")
    options = parser.parse_args()
    good = 0
    chosen = cases(options.data, options.pictures)
    for name, image, mask in chosen:
        start = time.perf_counter()
        report = lens.explain(image, mask, options.backend).report["explanation"]  # pyright: ignore[reportArgumentType]
        windows = report["windows"]
        worst = max(window["error_percent"] for window in windows)
        most = max(window["evaluations"] for window in windows)
        good += worst <= 1 and most <= 16
        spent = time.perf_counter() - start
        print(f"{name:40} windows {len(windows):2}  error {worst:6.3f} %  evaluations {most:3}  {spent:5.1f} s")
    print(f"{good} of {len(chosen)} within 1 % with at most 16 evaluations for each window")


if __name__ == "__main__":
    main()
