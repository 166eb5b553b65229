"""Golden data of the published networks: keys, deterministic weights and outputs that their reference code gave.

`tests/golden/NAME` holds one size of each network. Set INPAINT_LENS_GOLDEN to a folder with more of them (the same
layout, further files `io_HxW.npz`) to run the same tests on other sizes.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

FOLDER = Path(os.environ.get("INPAINT_LENS_GOLDEN") or Path(__file__).parents[2] / "golden")


@dataclass(frozen=True)
class Golden:
    """One network of the golden data."""

    name: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @cached_property
    def meta(self) -> dict[str, Any]:
        return json.loads((self.folder / "meta.json").read_text())

    @cached_property
    def manifest(self) -> list[dict[str, Any]]:
        """Key, shape and dtype of every tensor of the state dict, in order."""
        keys = json.loads((self.folder / "manifest.json").read_text())["keys"]
        return [{"key": key, **facts} for key, facts in keys.items()]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {row["key"]: tuple(row["shape"]) for row in self.manifest}

    @property
    def atol(self) -> float:
        return self.meta["tolerance"]["suggested_atol"]

    def arrays(self, file: str = "io.npz") -> dict[str, Tensor]:
        with np.load(self.folder / file) as data:
            return {name: torch.from_numpy(data[name]) for name in data.files}

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Height and width of the input of each file of arrays that is here."""
        listed = {name: tuple(facts["size_hw"]) for name, facts in self.meta["files"].items()}
        for path in self.folder.glob("io_*x*.npz"):
            found = re.fullmatch(r"io_(\d+)x(\d+)", path.stem)
            if found:
                listed.setdefault(path.name, (int(found[1]), int(found[2])))
        return {name: size for name, size in sorted(listed.items()) if (self.folder / name).exists()}

    def stride(self, file: str, array: str) -> int:
        """Of an array that is stored in part, `full[..., ::s, ::s]`."""
        stride = self.meta["files"].get(file, {}).get("stride", 1)
        return stride if isinstance(stride, int) else stride.get(array, 1)

    @torch.no_grad()
    def fill(self, module: torch.nn.Module) -> torch.nn.Module:
        """Give a network the deterministic weights; what the rule keeps stays as the network has it."""
        own = module.state_dict()
        assert list(own) == [row["key"] for row in self.manifest]
        module.load_state_dict(self.weights(own))
        return module.eval()

    def weights(self, own: dict[str, Tensor]) -> dict[str, Tensor]:
        """The deterministic state dict: `own` for kept tensors, the rule for all others."""
        rule = self.meta["weights"]
        state = {}
        for row in self.manifest:
            key, shape = row["key"], tuple(row["shape"])
            if row.get("alias_of"):
                state[key] = state[row["alias_of"]]
            elif row.get("kept") or not own[key].is_floating_point():
                state[key] = own[key]
            else:
                state[key] = torch.from_numpy(_filled(key, shape, rule))
        aliases = {row["key"]: row["alias_of"] for row in self.manifest if row.get("alias_of")}
        for key in state:
            if key.endswith("weight_u") and key not in aliases:
                _spectral(key, state, rule)
        return {key: state[aliases.get(key, key)] for key in state}


def _filled(key: str, shape: tuple[int, ...], rule: dict[str, Any]) -> np.ndarray:
    normal = np.asarray(np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape), np.float32)
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    gain, power = rule["gain_for_ndim>=2"], -0.5
    for special in rule.get("rules", ()):
        if not re.search(special["pattern"], key):
            continue
        if "std" in special:
            return np.asarray(normal * np.float32(special["std"]) + np.float32(special.get("add", 0.0)), np.float32)
        if len(shape) >= 2:
            gain, power = special["gain"], special.get("fan_in_power", -0.5)
            break
    weight = normal * np.float32(gain * fan_in**power if len(shape) >= 2 else 0.1)
    if key.endswith("running_var"):
        weight = np.abs(weight) + np.float32(0.5)
    if len(shape) == 1 and key.endswith(".weight"):
        weight = weight + np.float32(1.0)
    return np.asarray(weight, np.float32)


def _spectral(key: str, state: dict[str, Tensor], rule: dict[str, Any]) -> None:
    """Vectors of a spectral norm, from the filled weight."""
    prefix = key.removesuffix("weight_u")
    name = next(prefix + name for name in ("weight_orig", "weight_bar", "weight") if prefix + name in state)
    weight = state[name].numpy().astype(np.float64)
    if any(key.startswith(listed.rpartition(".")[0] + ".") for listed in rule.get("spectral_norm_transposed_dim1", ())):
        weight = np.moveaxis(weight, 1, 0)
    matrix = weight.reshape(weight.shape[0], -1)
    u = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(state[key].numel())
    u /= np.linalg.norm(u)
    state[key] = torch.from_numpy(u.astype(np.float32)).reshape(state[key].shape)
    across = prefix + "weight_v"
    if across in state:
        v = matrix.T @ u
        v /= np.linalg.norm(v)
        state[across] = torch.from_numpy(v.astype(np.float32)).reshape(state[across].shape)


def golden_image(height: int, width: int) -> Tensor:
    """Noise `[1, 3, H, W]` in [0, 1)."""
    return torch.from_numpy(np.random.default_rng(0).random((1, 3, height, width)).astype(np.float32))


def golden_mask(height: int, width: int) -> Tensor:
    """`[1, 1, H, W]`, 1 = hole: a centred square, and a small one near the top right corner."""
    mask = torch.zeros(1, 1, height, width)
    side = min(height, width) // 2
    top, left = (height - side) // 2, (width - side) // 2
    mask[..., top : top + side, left : left + side] = 1
    small = min(height, width) // 8
    top, right = height // 16, width - width // 16
    mask[..., top : top + small, right - small : right] = 1
    return mask


@dataclass(frozen=True)
class Case:
    """One size of one network: the input, and what the reference code gave."""

    golden: Golden
    file: str
    image: Tensor
    mask: Tensor
    expected: dict[str, Tensor]

    def check(self, **got: Tensor) -> None:
        """Compare arrays by their golden names, within the tolerance that goes with the data."""
        for name, tensor in got.items():
            stride = self.golden.stride(self.file, name)
            want = self.expected[name]
            if tensor.shape != want.shape:
                tensor = tensor[..., ::stride, ::stride]
            assert tensor.shape == want.shape
            worst = (tensor - want).abs().max().item()
            assert worst <= self.golden.atol, f"{self.golden.name} {self.file} {name}: {worst:.3g}"


@pytest.fixture
def golden() -> Callable[[str], Golden]:
    """The golden data of a network by its name."""
    return Golden


@pytest.fixture
def cases() -> Callable[[str], Iterator[Case]]:
    """All sizes of a network that are here."""

    def of(name: str) -> Iterator[Case]:
        data = Golden(name)
        for file, (height, width) in data.sizes().items():
            yield Case(data, file, golden_image(height, width), golden_mask(height, width), data.arrays(file))

    return of
