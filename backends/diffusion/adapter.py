"""Inpainting pipelines of diffusers as backends: one adapter, told apart by their rows in `models`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from threading import Lock
from typing import Any

import torch
from torch import Tensor

from ...imaging.errors import InputError, LensError
from ...imaging.monitor import Monitor
from ...weights_registry.fetch import require
from ..network import hidden_pixels
from ..protocol import BackendInfo, Value
from ..registry import own_random_state
from ..settings import checked
from .folder import ModelFolder, open_folder
from .loading import dtype_for, load_pipeline, pipeline_class, quiet
from .memory import check_memory, needed
from .models import Model, model_of
from .preparing import covered, generators, on_grid

STEPS_SHARE = 0.95
"""Share of a run that its steps are taken to be; the rest is decoding."""


def load(info: BackendInfo, device: str) -> DiffusionBackend:
    """The backend of a row of `models`; its weights are read at the first fill, when it is known how to place them.

    Raises:
        MissingError: the weights are not here, or diffusers is too old.
        WeightsError: they are not what this backend needs.
    """
    model = model_of(info.name)
    pipeline_class(model)
    folder = open_folder(require(info.weights[0]), model.kinds, info.name)
    return DiffusionBackend(info, model, folder, device)


class _Stop:
    """The monitor of the run that is going on, where every layer can reach it."""

    monitor: Monitor | None = None

    def check(self) -> None:
        """Raise `Cancelled` if the caller of this run asked to stop."""
        if self.monitor:
            self.monitor.check()


class DiffusionBackend:
    """A diffusion model that paints what words ask for; no gradients.

    One run at a time: a pipeline keeps the state of its run in itself.
    """

    def __init__(self, info: BackendInfo, model: Model, folder: ModelFolder, device: str) -> None:
        self.info, self.model, self.folder, self.device = info, model, folder, device
        self._running = Lock()
        self._stop = _Stop()
        self._pipeline: Any = None
        self._placing: tuple[torch.dtype, str] | None = None

    def __call__(
        self,
        image: Tensor,
        hole: Tensor,
        *,
        exclude: Tensor | None = None,
        seed: int | Sequence[int] = 0,
        monitor: Monitor | None = None,
        settings: Mapping[str, Value] | None = None,
    ) -> Tensor:
        """See `Backend.__call__`; what lies under hole and exclude is replaced before the model sees the picture.

        Args:
            image: float32 `[N, 3, H, W]` in [0, 1].
            hole: float32 `[N, 1, H, W]`, 1 = fill this.
            exclude: like `hole`, 1 = do not look.
            seed: one for all pictures, or one for each.
            monitor: told of every step; cancelling ends the run before the next layer.
            settings: see `Model.settings`; what is not given is taken by default.

        Raises:
            InputError: sides that the model does not take, too few steps for the strength, offloading on a CPU, or
                not one seed for each picture.
            LensError: there is too little memory, or the model's safety checker withheld the fill.
            WeightsError: the folder cannot be loaded.
            Cancelled: asked to stop; the next call works as ever.
        """
        monitor = monitor or Monitor()
        chosen = checked(self.info, settings or {})
        self._check(image, chosen)
        noise = generators(seed, len(image))
        with self._alone(monitor), own_random_state(self.device), quiet():
            pipeline = self._ready(chosen, image.shape[-2] * image.shape[-1], monitor)
            self._set_tiling(pipeline, bool(chosen["tiling"]))
            request = self._request(pipeline, image, hidden_pixels(hole, exclude), chosen)
            try:
                output = pipeline(**request, generator=noise, callback_on_step_end=_reporter(monitor))
            except BaseException:
                # A run that ends early leaves its parts on the GPU, where the next run would find no room.
                pipeline.maybe_free_model_hooks()
                raise
        return self._unpacked(output).to(image.device)

    def _check(self, image: Tensor, chosen: Mapping[str, Value]) -> None:
        height, width = image.shape[-2:]
        step = self.info.size_rule.multiple_of
        if height % step or width % step:
            raise InputError(f"{self.info.name} takes sides that are multiples of {step}, not {width} x {height}.")
        if self.device == "cpu" and chosen["offload"] != "none":
            raise InputError(
                f"offload={chosen['offload']} moves parts of a model between the computer and its GPU, and "
                f"{self.info.name} runs on the CPU: leave offload at none."
            )
        steps, strength = int(chosen["steps"]), float(chosen["strength"])
        if int(steps * strength) < 1:
            raise InputError(
                f"{steps} steps at strength {strength:g} leave none to do: give {ceil(1 / strength)} steps or more, or "
                "a higher strength."
            )

    @contextmanager
    def _alone(self, monitor: Monitor) -> Iterator[None]:
        """Wait for the run that is going on, if any; waiting too can be cancelled."""
        while not self._running.acquire(timeout=0.2):
            monitor.check()
        self._stop.monitor = monitor
        try:
            yield
        finally:
            self._stop.monitor = None
            self._running.release()

    def _ready(self, chosen: Mapping[str, Value], pixels: int, monitor: Monitor) -> Any:
        """The pipeline, loaded at first use and again where it is to be placed in another way."""
        offload = str(chosen["offload"])
        dtype = dtype_for(self.model, self.device, str(chosen["precision"]))
        if self._placing != (dtype, offload):
            monitor.report(f"loading {self.info.name}", 0.0)
            self._pipeline = self._placing = None
            if self.device.startswith("cuda"):
                torch.cuda.empty_cache()
            needs = needed(self.folder, dtype.itemsize, pixels, self.model.full_decoder)
            check_memory(self.info.name, self.device, needs, offload)
            self._pipeline = load_pipeline(self.folder, self.model, self.device, dtype, offload, self._stop.check)
            self._placing = dtype, offload
        monitor.report("filling", 0.0)
        return self._pipeline

    @staticmethod
    def _set_tiling(pipeline: Any, tiling: bool) -> None:
        # Pictures of a batch are always decoded one after another: that costs no time and much less memory.
        pipeline.vae.enable_slicing()
        (pipeline.vae.enable_tiling if tiling else pipeline.vae.disable_tiling)()

    def _request(self, pipeline: Any, image: Tensor, hidden: Tensor, chosen: Mapping[str, Value]) -> dict[str, Any]:
        """The arguments of the pipeline."""
        count, model = len(image), self.model
        prompt, avoided = str(chosen["prompt"]), str(chosen.get("negative-prompt", ""))
        guidance = float(chosen["guidance"])
        # With the same words on both sides guidance changes nothing and doubles the time.
        idle = model.blank is not None and (prompt or model.blank) == (avoided or model.blank)
        if idle and model.unguided is not None:
            guidance = model.unguided
        request: dict[str, Any] = {
            "prompt": [prompt or model.blank or ""] * count,
            "image": covered(image.detach().float().cpu(), hidden.cpu()),
            "mask_image": on_grid(hidden.float().cpu(), model.mask_cells * pipeline.vae_scale_factor),
            "height": image.shape[-2],
            "width": image.shape[-1],
            "num_inference_steps": int(chosen["steps"]),
            "strength": float(chosen["strength"]),
            "output_type": "pt",
            model.guidance_argument: guidance,
        }
        text = avoided or model.blank
        if model.negative and text is not None and not idle:
            request["negative_prompt"] = [text] * count
        return request

    def _unpacked(self, output: Any) -> Tensor:
        if any(getattr(output, "nsfw_content_detected", None) or ()):
            raise LensError(
                f"The safety checker that comes with {self.info.name} withheld the fill: give another prompt or --seed."
            )
        return output.images.float()


def _reporter(monitor: Monitor) -> Any:
    """A callback that tells how many steps are done; `Cancelled` passes through the pipeline, which starts afresh."""

    def report(pipeline: Any, step: int, _time: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
        monitor.report("filling", STEPS_SHARE * (step + 1) / pipeline.num_timesteps)
        return {}

    return report
