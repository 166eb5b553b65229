from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
import torch
from inpaint_lens.backends import registry
from onnx import ModelProto


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No loaded backend, no weights and no entry point of one test reaches another."""
    for name in ("INPAINT_LENS_WEIGHTS", "INPAINT_LENS_WEIGHTS_DIR", "INPAINT_LENS_CATALOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INPAINT_LENS_CACHE", str(tmp_path / "cache"))
    registry.unload()
    registry.backends.cache_clear()
    yield
    registry.unload()
    registry.backends.cache_clear()


@pytest.fixture
def image() -> torch.Tensor:
    """A picture with structure, `[1, 3, 64, 64]`."""
    return torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def hole() -> torch.Tensor:
    """A hole of 12 x 14 pixels, `[1, 1, 64, 64]`."""
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 20:32, 22:36] = 1
    return hole


@pytest.fixture
def exclude() -> torch.Tensor:
    """Excluded pixels right beside the hole, `[1, 1, 64, 64]`."""
    exclude = torch.zeros(1, 1, 64, 64)
    exclude[..., 10:40, 36:48] = 1
    return exclude


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, ModelProto], Path]:
    """Let a graph stand in for the weights of that name."""

    def put(name: str, model: ModelProto) -> Path:
        path = tmp_path / f"{name}.onnx"
        onnx.save(model, str(path))
        monkeypatch.setenv("INPAINT_LENS_WEIGHTS", f"{name}={path}")
        return path

    return put
