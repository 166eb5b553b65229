"""A backend as explanations ask it: a function of picture and hidden pixels, everything else as it was for the fill."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from ..backends.exemplar.provenance import Provenance
from ..backends.network import hidden_pixels
from ..backends.protocol import Backend, Copying, Holding
from ..imaging.monitor import Monitor
from .views import View, call


@dataclass(frozen=True, eq=False)
class Asked:
    """A backend with the hole, exclusions, guide, settings and seed of one view of a fill.

    Attributes:
        backend: the backend.
        view: what it saw.
        seed: of the fill.
        monitor: for cancelling; progress is told by whoever asks.
        held: the backend with what it derives from the picture held as it is for this one, see `Holding`.
    """

    backend: Backend
    view: View
    seed: int
    monitor: Monitor
    held: Backend = field(init=False)

    def __post_init__(self) -> None:
        view, backend = self.view, self.backend
        held = backend.held(view.image, view.hole, exclude=view.exclude) if isinstance(backend, Holding) else backend
        object.__setattr__(self, "held", held)
        object.__setattr__(self, "monitor", Monitor(token=self.monitor.token))

    def __call__(self, image: Tensor, hidden: Tensor) -> Tensor:
        """Raw output `[N, 3, H, W]`; what is hidden beside the hole is excluded."""
        if not bool((hidden > hidden_pixels(self.view.hole, self.view.exclude)).any()):
            return call(self.held, self.view, image, self.seed, self.monitor)
        more = replace(self.view, exclude=(hidden - self.view.hole).clamp_min(0))
        return call(self.backend, more, image, self.seed, self.monitor)


class AskedForSources(Asked):
    """The same for a backend that copies."""

    def provenance(self, image: Tensor, hidden: Tensor) -> Provenance:
        """From where the fill of `image` `[1, 3, H, W]` is copied."""
        assert isinstance(self.backend, Copying)
        exclude = (hidden - self.view.hole).clamp_min(0)
        settings = self.view.extras.get("settings")
        return self.backend.provenance(
            image, self.view.hole, exclude=exclude, seed=self.seed, monitor=self.monitor, settings=settings
        )


def model_of(backend: Backend, view: View, seed: int, monitor: Monitor) -> Asked:
    """The backend as explanations ask it."""
    kind = AskedForSources if isinstance(backend, Copying) else Asked
    return kind(backend, view, seed, monitor)
