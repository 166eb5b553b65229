"""How much more a fill costs in a large picture: 12 megapixels against 1, with the same 200-pixel hole.

`python benchmarks/large_picture.py [--backend NAME] [--files]` prints the times and their ratio; with `--files` reading
and writing a JPEG is counted too.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import inpaint_lens as lens
import numpy as np
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.reading import read_picture
from inpaint_lens.imaging.writing import write_picture
from inpaint_lens.plugin.demo import SAMPLES

SIZES = {"1 megapixel": (866, 1155), "12 megapixels": (3000, 4000)}
HOLE_PX = 200


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="lens-small")
    parser.add_argument("--files", action="store_true")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    photo = read_picture(SAMPLES / "colorado_sign.jpg").to_srgb8()
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (height, width) in SIZES.items():
            image = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
            mask = np.zeros((height, width), bool)
            mask[400 : 400 + HOLE_PX, 500 : 500 + HOLE_PX] = True
            source, target = Path(folder, f"{width}.jpg"), Path(folder, "out.jpg")
            write_picture(Picture.from_array(image), source)

            def work(image=image, mask=mask, source=source, target=target) -> None:
                if options.files:
                    lens.fill(source, mask, options.backend).save(target, overwrite=True)
                else:
                    lens.fill(image, mask, options.backend)

            seconds[name] = median_seconds(work, options.repeats)
            print(f"{name}: {seconds[name]:.3f} s")
    small, large = seconds.values()
    print(f"ratio: {large / small:.2f}")


if __name__ == "__main__":
    main()
