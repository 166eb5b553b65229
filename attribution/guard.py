"""Leave everything as it was: random state, parameters, settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn


def modules_in(thing: Any, depth: int = 3) -> list[nn.Module]:
    """The networks that a callable is, is bound to, wraps in a closure or keeps in an attribute."""
    if isinstance(thing, nn.Module):
        return [thing]
    if depth == 0:
        return []
    inner: list[Any] = [getattr(thing, name, None) for name in ("__self__", "func", "__wrapped__")]
    for cell in getattr(thing, "__closure__", None) or ():
        try:
            inner.append(cell.cell_contents)
        except ValueError:  # a name that is not bound yet
            continue
    attributes = getattr(thing, "__dict__", {})
    inner += [value for value in attributes.values() if isinstance(value, nn.Module) or callable(value)]
    return [module for value in inner if value is not None for module in modules_in(value, depth - 1)]


@contextmanager
def frozen(model: Any) -> Iterator[None]:
    """Take the parameters out of the graph, which saves memory and time, and put them back as they were."""
    parameters = {id(p): p for module in modules_in(model) for p in module.parameters() if p.requires_grad}
    for parameter in parameters.values():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters.values():
            parameter.requires_grad_(True)


def reseed(device: torch.device, seed: int) -> None:
    """Seed torch's generators of the CPU and of `device`, and no others."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def own_random_state(device: torch.device) -> Iterator[None]:
    """Whatever is drawn or seeded inside, torch's global random state is the same afterwards."""
    mps_state = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            if mps_state is not None:
                torch.mps.set_rng_state(mps_state)


@contextmanager
def repeatable_convolutions(device: torch.device) -> Iterator[None]:
    """Only algorithms of cuDNN that give the same bytes each time."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    try:
        if device.type == "cuda":
            cudnn.deterministic, cudnn.benchmark = True, False
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


@contextmanager
def careful(model: Any, device: torch.device) -> Iterator[None]:
    """All of the above, and gradients can be had inside even if the caller switched them off."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(own_random_state(device))
        stack.enter_context(repeatable_convolutions(device))
        stack.enter_context(frozen(model))
        yield
