"""What the service costs over a direct call, and whether its memory stays flat.

`python benchmarks/service.py [--backend NAME] [--repeats N] [--jobs N]` starts a service of its own on a free port of
this machine and asks it

- to fill a 300-pixel hole in a picture of 2048 x 2048, warm, by turns with a direct call of the same work in this
  process: as `.npy` (arrays in, arrays out) and as PNG (bytes in, bytes out; the direct call decodes and encodes too).
  Telea is quick, so that its times differ by the service alone; of a slow backend on a busy machine, rather look at
  what the service takes besides the operation that it runs, with decoding and encoding, upload and download;
- to do 200 jobs in a row, each on a picture of its own, and prints the memory of the service before and after.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import cv2
import httpx
import numpy as np
import psutil
from inpaint_lens.imaging.hole import Hole
from inpaint_lens.imaging.picture import Picture
from inpaint_lens.imaging.reading import decode_picture, mask_array, read_picture
from inpaint_lens.imaging.writing import encode_picture, encode_png
from inpaint_lens.plugin.demo import SAMPLES
from inpaint_lens.plugin.operation import Source, fill_and_explain
from inpaint_lens.plugin.request import FillOptions
from numpy.typing import NDArray

SIDE, HOLE_PX = 2048, 300
SMALL = 512
WARM_JOBS = 30
GOAL_MS = 250
COMMAND = (
    "import argparse; from inpaint_lens.commands import serve; parser = argparse.ArgumentParser();"
    "serve.add_arguments(parser); serve.run(parser.parse_args())"
)


@contextmanager
def service() -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """A client of a service in a process of its own."""
    command = [sys.executable, "-c", COMMAND, "--port", "0", "--no-pages"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout
    try:
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address, "the service did not start"
        with httpx.Client(base_url=address[0], timeout=600, trust_env=False) as client:
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def npy(array: NDArray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def ask(client: httpx.Client, files: dict[str, bytes], backend: str, kind: str, inside: list[float]) -> bytes:
    """Submit, follow the events to the end, and fetch the result; notes how long the operation itself took."""
    options = {"options": json.dumps({"fill": {"backend": backend}})}
    answer = client.post("/v1/jobs", files={name: (name, data) for name, data in files.items()}, data=options)
    answer.raise_for_status()
    job = f"/v1/jobs/{answer.json()['id']}"
    with client.stream("GET", f"{job}/events") as stream:
        last = [line for line in stream.iter_lines() if line.startswith("data: ")][-1]
    assert '"state": "done"' in last, last
    result = client.get(f"{job}/result.{kind}").raise_for_status().content
    inside.append(1000 * sum(client.get(f"{job}/report.json").json()["seconds"].values()))
    return result


def direct_arrays(image: NDArray, mask: NDArray, backend: str) -> NDArray:
    source = Source(Picture.from_array(image), Hole.from_array(mask))
    return fill_and_explain(source, FillOptions(backend)).filling.picture.to_array()


def direct_files(files: dict[str, bytes], backend: str) -> bytes:
    hole = Hole.from_array(mask_array(decode_picture(files["mask"], "mask")))
    source = Source(decode_picture(files["picture"], "picture"), hole)
    return encode_picture(fill_and_explain(source, FillOptions(backend)).filling.picture, "png")[0]


def by_turns(direct: Callable[[], object], served: Callable[[], object], repeats: int) -> list[list[float]]:
    """Milliseconds of each, pair by pair, both warm."""
    for work in (direct, served) * 2:
        work()
    times: list[list[float]] = [[], []]
    for turn in range(repeats):
        for index in (0, 1) if turn % 2 else (1, 0):
            start = time.perf_counter()
            (direct, served)[index]()
            times[index].append(1000 * (time.perf_counter() - start))
    return times


def overhead(client: httpx.Client, backend: str, repeats: int) -> None:
    photo = read_picture(SAMPLES / "colorado_sign.jpg").to_srgb8()
    image = cv2.resize(photo, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[900 : 900 + HOLE_PX, 800 : 800 + HOLE_PX] = True
    arrays = {"picture": npy(image), "mask": npy(mask)}
    files = {"picture": encode_png(image), "mask": encode_png(mask.astype(np.uint8) * 255)}
    served = np.load(io.BytesIO(ask(client, arrays, backend, "npy", [])))
    assert np.array_equal(served, direct_arrays(image, mask, backend)), "the service gives another result"
    arrays_inside: list[float] = []
    files_inside: list[float] = []
    cases = {
        ".npy": (
            partial(direct_arrays, image, mask, backend),
            partial(ask, client, arrays, backend, "npy", arrays_inside),
            arrays_inside,
        ),
        "PNG": (
            partial(direct_files, files, backend),
            partial(ask, client, files, backend, "png", files_inside),
            files_inside,
        ),
    }
    for name, (direct, through, inside) in cases.items():
        alone, whole = by_turns(direct, through, repeats)
        differences = [b - a for a, b in zip(alone, whole, strict=True)]
        around = [b - a for a, b in zip(inside[-repeats:], whole, strict=True)]
        print(
            f"{backend}, {name}: direct {statistics.median(alone):.0f} ms, service {statistics.median(whole):.0f} ms; "
            f"difference pair by pair {summary(differences)}; service less its own operation {summary(around)} "
            f"(goal: under {GOAL_MS})"
        )


def summary(milliseconds: list[float]) -> str:
    low, middle, high = np.percentile(milliseconds, [25, 50, 75])
    return f"{middle:.0f} ms (quartiles {low:.0f} to {high:.0f})"


def memory(client: httpx.Client, process: psutil.Process, backend: str, jobs: int) -> None:
    rng = np.random.default_rng(0)
    mask = np.zeros((SMALL, SMALL), bool)
    mask[200:300, 200:300] = True
    sizes = []
    for index in range(WARM_JOBS + jobs):
        if index >= WARM_JOBS and (index - WARM_JOBS) % 50 == 0:
            sizes.append(process.memory_info().rss / 1e6)
        picture = rng.integers(0, 256, (SMALL, SMALL, 3), dtype=np.uint8)
        ask(client, {"picture": npy(picture), "mask": npy(mask)}, backend, "png", [])
    sizes.append(process.memory_info().rss / 1e6)
    shown = ", ".join(f"{size:.0f}" for size in sizes)
    print(
        f"memory after {WARM_JOBS} jobs and after each 50 more: {shown} MB; {jobs} jobs add {sizes[-1] - sizes[0]:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="lens-small")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--jobs", type=int, default=200)
    options = parser.parse_args()
    with service() as (client, process):
        for backend in dict.fromkeys(("telea", options.backend)):
            overhead(client, backend, options.repeats)
        memory(client, process, options.backend, options.jobs)


if __name__ == "__main__":
    main()
