"""Table of the networks: parameters, time for 512 x 512 pixels, licence, source.

Times are of the network with weights as it begins with, on this machine's processors; the fill of a window of 512 x 512
pixels, or of the network's own size where that is fixed. Run it on a machine that does nothing else.

    python benchmarks/networks.py > docs/networks.md
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import torch
from inpaint_lens.backends.architectures import find_builder
from inpaint_lens.backends.catalog import BUILT_IN
from inpaint_lens.backends.lens_small import GuidedCopies
from inpaint_lens.backends.protocol import Backend, BackendInfo
from inpaint_lens.backends.registry import load
from inpaint_lens.weights_registry.catalog import entry

RUNS = 3
HEAD = """# The networks

Parameters, and seconds for one fill of 512 x 512 pixels on {cores} processor cores without a GPU (median of {runs},
float32; networks of another size at their own, in brackets). Made by `python benchmarks/networks.py`.

| backend | network | parameters | seconds | licence of the weights | source |
| --- | --- | ---: | ---: | --- | --- |"""


def random_backend(info: BackendInfo, folder: str) -> tuple[Backend, int]:
    """The backend with weights as the networks begin with, and how many there are."""
    from safetensors.torch import save_file

    files, count = {}, 0
    for name, builder in zip(info.weights, info.networks, strict=True):
        torch.manual_seed(0)
        network = find_builder(builder)({})
        count += sum(parameter.numel() for parameter in network.parameters())
        files[name] = f"{folder}/{name}.safetensors"
        save_file({key: value.clone().contiguous() for key, value in network.state_dict().items()}, files[name])
    return load(info.name, "cpu", files), count


def seconds(backend: Backend) -> tuple[float, int]:
    """Median time of a fill, and the side of the picture."""
    rule = backend.info.size_rule
    side = rule.fixed or min(512, rule.largest or 512)
    hole = torch.zeros(1, 1, side, side)
    hole[..., side // 3 : side * 2 // 3, side // 3 : side * 2 // 3] = 1
    extra = {"settings": {s.name: s.default for s in backend.info.settings}} if backend.info.settings else {}
    function: Callable[..., torch.Tensor] = cast(Any, backend)
    times = []
    with torch.no_grad():
        for _ in range(RUNS + 1):
            image = torch.rand(1, 3, side, side)  # another one each time, since some remember what they chose
            start = time.perf_counter()
            function(image, hole, **extra)
            times.append(time.perf_counter() - start)
    return statistics.median(times[1:]), side


def source(info: BackendInfo) -> str:
    """Where its weights come from, as a link."""
    if not info.weights:
        return "in the package"
    found = entry(info.weights[0])
    return f"[{'by hand' if found.by_hand else found.source}]({found.page_url})"


def main() -> None:
    import tempfile

    print(HEAD.format(cores=torch.get_num_threads(), runs=RUNS))
    seen: set[tuple[str, ...]] = set()
    for info in BUILT_IN:
        if (not info.networks and info.name != "lens-small") or info.networks in seen:
            continue
        seen |= {info.networks} if info.networks else set()
        with tempfile.TemporaryDirectory() as folder:
            if info.networks:
                backend, count = random_backend(info, folder)
            else:
                backend = load(info.name, "cpu")
                count = sum(parameter.numel() for parameter in cast(GuidedCopies, backend).network.module.parameters())
            took, side = seconds(backend)
        size = "" if side == 512 else f" ({side})"
        commercial = "" if info.commercial_use else ", not for commercial use"
        licence = f"{info.licence}{commercial}"
        print(
            f"| `{info.name}` | {info.paper} | {count / 1e6:.1f} M | {took:.2f}{size} | {licence} | {source(info)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
