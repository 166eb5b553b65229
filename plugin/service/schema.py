"""Requests and answers of `/v1`. Names are those of `FillOptions` and `ExplainOptions`; files are never named."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ...backends.protocol import BackendInfo
from ..choices import DEFAULT_BACKEND
from ..request import ExplainOptions, FillOptions, Method, Smoothing, Target, default_method

Pixels = Annotated[int, Field(ge=0, le=4096)]
Place = Annotated[int, Field(ge=0, le=10_000_000)]
Words = Annotated[str, StringConstraints(max_length=2000)]
SettingName = Annotated[str, StringConstraints(max_length=64)]
SettingValue = bool | int | float | Words


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class FillRequest(_Request):
    """How to fill; see `FillOptions`."""

    backend: Annotated[str, StringConstraints(max_length=64)] = Field(
        default=DEFAULT_BACKEND, description="name of a backend of `/v1/backends`"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="for backends that draw lots")
    grow_px: Pixels = Field(default=0, description="how far the hole is grown first")
    feather_px: Pixels = Field(default=4, description="width of the soft border outside of the hole")
    context_px: Pixels | None = Field(default=None, description="surroundings that the model sees; null = by the hole")
    match_border: bool = Field(default=False, description="shift the fill's colours to meet the border")
    refine: bool = Field(default=True, description="add detail to what was filled at reduced size")
    settings: dict[SettingName, SettingValue] = Field(
        default_factory=dict, max_length=32, description="what the backend lets people choose, by name"
    )

    def options(self) -> FillOptions:
        """The same for the operation; raises `InputError`."""
        return FillOptions(**self.model_dump())


class TargetRequest(_Request):
    """A square of the fill: `size_px` wide, centred at column `x`, row `y`."""

    x: Place
    y: Place
    size_px: int = Field(ge=1, le=10_000_000)


class ExplainRequest(_Request):
    """How to explain; see `ExplainOptions`."""

    method: Method | None = Field(default=None, description="null = the one that tells most about the backend")
    target: TargetRequest | None = Field(default=None, description="part of the fill; null = all of it")
    steps: Annotated[int, Field(ge=2, le=4096)] | Literal["auto"] = "auto"
    tolerance_percent: float = Field(default=1.0, gt=0, le=100)
    smooth: Smoothing = "none"
    region_share: float = Field(default=0.5, gt=0, lt=1)
    opacity: float = Field(default=0.85, ge=0, le=1)
    test: bool = Field(default=False, description="hide the region of interest, fill again, and tell what changes")

    def options(self, backend: BackendInfo) -> ExplainOptions:
        """The same for the operation; raises `InputError`."""
        given = self.model_dump() | {
            "method": self.method or default_method(backend),
            "target": self.target and Target(**self.target.model_dump()),
        }
        return ExplainOptions(**given)


class JobRequest(_Request):
    """What to do with the files of a job."""

    fill: FillRequest = FillRequest()
    explain: ExplainRequest | None = Field(default=None, description="null = fill only")
    if_client_leaves: Literal["cancel", "keep"] = Field(
        default="cancel",
        description="`cancel` stops the job when everyone who read its events has left for a second; a job whose "
        "events nobody has read goes on in either case",
    )


class LayerPlace(BaseModel):
    """Where a layer lies in the picture."""

    slug: str = Field(description="its name in addresses")
    name: str
    top: int
    left: int
    height: int
    width: int
    opacity: float
    blend_mode: str


class JobAnswer(BaseModel):
    """How a job stands."""

    id: str
    kind: str
    label: str
    device: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: int = Field(description="how many jobs must end before this one starts; 0 = it runs or has ended")
    stage: str
    share: float = Field(description="how much is done, 0 to 1")
    error: str = Field(description="one sentence; empty if nothing is wrong")
    version: int = Field(description="counts the changes")
    expires_in_s: float | None = Field(description="null before the end")
    files: list[str] = Field(default_factory=list, description="what can be fetched below this job's address")
    layers: list[LayerPlace] = Field(default_factory=list)
    sentence: str = Field(default="", description="the explanation in words")


class Choice(BaseModel):
    """A setting of a backend."""

    name: str
    default: SettingValue
    help: str
    low: float | None
    high: float | None
    choices: list[str]


class BackendAnswer(BaseModel):
    """Facts about a backend."""

    name: str
    title: str
    licence: str
    commercial_use: bool
    ready: bool
    status: str = Field(description="`ready`, or what is missing and how to get it")
    download_mb: float
    by_hand: bool = Field(description="its weights are fetched by hand")
    differentiable: bool = Field(description="every attribution method works")
    stochastic: bool = Field(description="the result depends on the seed")
    learned: bool
    gpu: bool
    guide: str = Field(description="what drawn lines mean to it; empty = it takes none")
    settings: list[Choice]
    paper: str
    advice: str


class Health(BaseModel):
    """How the service stands."""

    status: Literal["ok"] = "ok"
    version: str
    running: int
    waiting: int
    limit: int = Field(description="how many jobs may wait")
    finished: int = Field(description="jobs whose results can still be fetched")
    results: Literal["kept over a restart", "gone with the service"]
    expire_s: float
    max_pixels: int
    max_bytes: int


class Problem(BaseModel):
    """Anything that went wrong, as one sentence."""

    detail: str


def sentence_of(errors: list[Any]) -> str:
    """Validation errors as one sentence; what was sent is not repeated."""
    first = errors[0] if errors else {"loc": (), "msg": "it cannot be read"}
    place = ".".join(str(part)[:64] for part in first["loc"] if part not in ("body", "query", "path", "header"))
    more = f" ({len(errors) - 1} more like this)" if len(errors) > 1 else ""
    return f"The request cannot be used: {place or 'its body'}: {str(first['msg'])[:200]}{more}."
