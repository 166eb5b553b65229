"""From a checked folder to a pipeline on its device."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import diffusers
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from torch import nn
from transformers.utils import logging as transformers_logging

from ...imaging.errors import MissingError, WeightsError
from ..registry import own_random_state
from .folder import ModelFolder
from .models import Model

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pipeline_class(model: Model) -> type[DiffusionPipeline]:
    """The class of diffusers that a model needs; raises `MissingError` where diffusers is too old for it."""
    found = getattr(diffusers, model.pipeline, None)
    if not (isinstance(found, type) and issubclass(found, DiffusionPipeline)):
        raise MissingError(
            f"{model.name} needs {model.pipeline}, which diffusers {diffusers.__version__} does not have: run "
            "`pip install -U diffusers transformers`."
        )
    return found


def dtype_for(model: Model, device: str, precision: str) -> torch.dtype:
    """The type of the numbers: as chosen, else half on a GPU, and on a CPU too for a large model."""
    if precision != "auto":
        return DTYPES[precision]
    return DTYPES[model.half] if model.large or device != "cpu" else torch.float32


def load_pipeline(
    folder: ModelFolder, model: Model, device: str, dtype: torch.dtype, offload: str, check: Callable[[], None]
) -> Any:
    """The pipeline of a folder, ready to run.

    Only safetensors are read and nothing is fetched; the global random state stays as it is.

    Args:
        folder: a checked folder.
        model: its row.
        device: where it runs.
        dtype: of its weights.
        offload: one of `OFFLOADS`.
        check: called before every layer runs; what it raises ends the run.

    Raises:
        WeightsError: the folder does not fit what it says it is.
    """
    with own_random_state(device), _no_bars():
        try:
            pipeline: Any = pipeline_class(model).from_pretrained(
                str(folder.path),
                local_files_only=True,
                use_safetensors=True,
                variant=folder.variant or None,
                dtype=dtype,
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, IndexError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" .:")
            raise WeightsError(f"{folder.path} cannot be loaded as {model.name} ({reason}): fetch it again.") from error
    pipeline.set_progress_bar_config(disable=True)
    _watch(pipeline, check)
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
    return pipeline


def _watch(pipeline: Any, check: Callable[[], None]) -> None:
    """Let `check` be called before every layer: one step of a large model on a CPU takes minutes."""
    networks = [part for part in pipeline.components.values() if isinstance(part, nn.Module)]
    for layer in {layer for network in networks for layer in network.modules() if not any(layer.children())}:
        layer.register_forward_pre_hook(lambda _layer, _inputs: check())


@contextmanager
def quiet() -> Iterator[None]:
    """No notes on how models are cast, which diffusers writes at each run of SDXL."""
    log = logging.getLogger("diffusers.models.modeling_utils")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _no_bars() -> Iterator[None]:
    """No progress bars of the libraries' own inside."""
    shown = [log for log in (diffusers_logging, transformers_logging) if log.is_progress_bar_enabled()]
    for log in shown:
        log.disable_progress_bar()
    try:
        yield
    finally:
        for log in shown:
            log.enable_progress_bar()
