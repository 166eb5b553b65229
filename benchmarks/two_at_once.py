"""What sleeping threads gain when two explanations run at once: `python benchmarks/two_at_once.py`.

Two processes explain a bundled photograph at the same time, once with the OpenMP library's own way of waiting (threads
spin) and once with `OMP_WAIT_POLICY=PASSIVE`, which the `inpaint-lens` command sets; before that, one process alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

CODE = """
import inpaint_lens as lens
from inpaint_lens.plugin.demo import SAMPLES
lens.explain(SAMPLES / "osprey.jpg", SAMPLES / "osprey_mask.png")
"""


def seconds(processes: int, policy: str | None) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if policy:
        environment["OMP_WAIT_POLICY"] = policy
    start = time.perf_counter()
    running = [subprocess.Popen([sys.executable, "-c", CODE], env=environment) for _ in range(processes)]
    for process in running:
        if process.wait():
            sys.exit("an explanation failed")
    return time.perf_counter() - start


def main() -> None:
    for processes in (1, 2):
        spinning, sleeping = seconds(processes, None), seconds(processes, "PASSIVE")
        print(f"{processes} at once: spinning {spinning:.1f} s, sleeping {sleeping:.1f} s, {spinning / sleeping:.2f} x")


if __name__ == "__main__":
    main()
