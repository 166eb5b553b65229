"""Asks the network: values of the objective, and their gradients, in batches and with everything checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..imaging.errors import InputError
from ..imaging.monitor import Monitor
from .batching import halve_until_it_fits
from .guard import reseed
from .objective import Objective
from .path import Path

Model = Callable[[Tensor, Tensor], Tensor]
"""`(image [N, 3, H, W] in [0, 1], hole [N, 1, H, W] in {0, 1})` to the raw output `[N, 3, H, W]`."""

NOT_DIFFERENTIABLE = (
    "No gradient flows through this model from its output to the picture, so it cannot be explained this way; "
    "use --method occlusion, which works with any model."
)


@dataclass(frozen=True)
class Point:
    """What the network did at one point of a path.

    Attributes:
        alpha: where on the path, 0 = baseline, 1 = picture.
        image: float32 `[3, H, W]`.
        value: the objective.
        gradient: float32 `[3, H, W]`, of the objective with respect to `image` (patent eq. 4); finite.
        output: float32 `[3, H, W]`, raw output, if it was asked for.
    """

    alpha: float
    image: np.ndarray
    value: float
    gradient: np.ndarray
    output: np.ndarray | None = None


class Evaluator:
    """Counts, seeds, checks and reports each call of the network.

    The samples of a batch must not influence one another (a network in train mode with batch normalisation does so).

    Args:
        model: see `Model`.
        hole: float32 `[1, 1, H, W]`, what the model is told to be unknown.
        objective: what is explained.
        batch: pictures per call; halved when memory runs out.
        expected: number of evaluations expected, for the progress.
        monitor: progress and cancelling; checked before each call.
        seed: of a model that draws random numbers; each call starts from it.

    Attributes:
        evaluations: pictures that went through the network; forward and backward together count as 1.
        nonfinite: entries of gradients that were not finite and were set to 0.
    """

    def __init__(
        self,
        model: Model,
        hole: Tensor,
        objective: Objective,
        *,
        batch: int = 1,
        expected: int = 16,
        monitor: Monitor | None = None,
        seed: int = 0,
    ) -> None:
        self._model, self._hole, self._objective = model, hole, objective
        self._monitor, self._seed = monitor or Monitor(), seed
        self.batch, self.expected = batch, expected
        self.evaluations = 0
        self.nonfinite = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Values `[N]` of the objective for `images` `[N, 3, H, W]`; differentiable if `images` asks for it."""
        return self.forward(images)[0]

    def forward(self, images: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Values `[N]` and raw outputs `[N, 3, H, W]`.

        Args:
            images: `[N, 3, H, W]`.
            hidden: `[N, 1, H, W]` in {0, 1}, what the model is told to be unknown, if that is more than the hole.

        Raises:
            InputError: the model is not differentiable and should be, or returns something else than pictures of the
                same size with finite values.
            Cancelled: the caller asked to stop.
        """
        self._monitor.report("explaining", min(0.98, self.evaluations / max(1, self.expected)))
        output = self._output(images, self._hole.expand(len(images), -1, -1, -1) if hidden is None else hidden)
        values = self._objective(output)
        if images.requires_grad and torch.is_grad_enabled() and not values.requires_grad:
            raise InputError(NOT_DIFFERENTIABLE)
        if not bool(torch.isfinite(values).all()):
            raise InputError(
                "The model returned values that are not finite numbers (NaN or infinity), so there is nothing to "
                "explain; check the model, its weights and the value range that it expects."
            )
        self.evaluations += len(images)
        return values, output

    def _output(self, images: Tensor, hidden: Tensor) -> Tensor:
        reseed(images.device, self._seed)
        # Copies, so that a model that writes into its input changes neither the path nor the caller's arrays.
        given = images.clone()
        if given.requires_grad:
            given.register_hook(self._finite)
        try:
            output = self._model(given, hidden.clone())
        except RuntimeError as error:
            if images.requires_grad and "requires grad" in str(error):
                raise InputError(NOT_DIFFERENTIABLE) from error
            raise
        if not isinstance(output, Tensor) or output.shape != images.shape:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise InputError(
                f"The model returned {got}, but a tensor of the shape of its input, {tuple(images.shape)}, "
                "was expected."
            )
        return output

    def _finite(self, gradient: Tensor) -> Tensor:
        finite = torch.isfinite(gradient)
        missing = gradient.numel() - int(finite.sum())
        self.nonfinite += missing
        return torch.where(finite, gradient, torch.zeros_like(gradient)) if missing else gradient

    def with_less_memory(self, run: Callable[[], Tensor]) -> Tensor:
        """Call `run`; when memory runs out, halve `batch`, forget what was counted, and call it again."""
        before = self.evaluations, self.nonfinite

        def attempt(size: int) -> Tensor:
            self.batch = size
            self.evaluations, self.nonfinite = before
            return _with_gradients(run)

        result, self.batch = halve_until_it_fits(self.batch, attempt)
        return result

    def values(self, images: Tensor) -> list[float]:
        """Values of the objective for `images` `[N, 3, H, W]`, without gradients."""
        with torch.no_grad():
            run = lambda: torch.cat([self(chunk) for chunk in images.split(self.batch)])  # noqa: E731
            return self.with_less_memory(run).tolist()

    def fills(self, images: Tensor, hidden: Tensor) -> Tensor:
        """Raw outputs `[N, 3, H, W]`, without gradients, where more than the hole is hidden.

        Args:
            images: `[N, 3, H, W]`; set to 0 where `hidden` says so.
            hidden: `[N, 1, H, W]` in {0, 1}; the hole is always hidden.
        """
        hidden = torch.maximum(hidden, self._hole.to(hidden))

        def run() -> Tensor:
            pairs = zip(images.split(self.batch), hidden.split(self.batch), strict=True)
            return torch.cat([self.forward(some * (1 - lost), lost)[1] for some, lost in pairs])

        with torch.no_grad():
            return self.with_less_memory(run)

    def points(self, path: Path, alphas: Sequence[float], *, keep_outputs: bool = False) -> Iterator[Point]:
        """Evaluate a path at `alphas`, in that order, a batch at a time."""
        remaining = list(alphas)
        while remaining:
            done: list[Point] = []

            def run(done: list[Point] = done, remaining: list[float] = remaining) -> Tensor:
                done[:] = self._points(path, remaining[: self.batch], keep_outputs)
                return torch.empty(0)

            self.with_less_memory(run)
            remaining = remaining[len(done) :]
            yield from done

    def _points(self, path: Path, alphas: Sequence[float], keep_outputs: bool) -> list[Point]:
        with torch.enable_grad():
            images = path.images(alphas).detach().requires_grad_()
            values, output = self.forward(images)
            (gradients,) = torch.autograd.grad(values.sum(), images)
        image, gradient = _numpy(images), _numpy(gradients)
        outputs = _numpy(output) if keep_outputs else [None] * len(image)
        rows = zip(alphas, image, values.tolist(), gradient, outputs, strict=True)
        return [Point(*row) for row in rows]


def _with_gradients(run: Callable[[], Tensor]) -> Tensor:
    try:
        return run()
    except RuntimeError as error:
        if "not have been used in the graph" in str(error):
            raise InputError(NOT_DIFFERENTIABLE) from error
        raise


def _numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
