"""What the plug-in asks of the service: fill and explain, backends, downloads."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .connection import Body, Call, Connection
from .errors import Stopped, Trouble
from .events import events
from .npy import header, parse
from .waiting import with_ticks

if TYPE_CHECKING:
    from .starting import Tell

DECODING_S = 120.0
"""Patience with a service that looks at what it was sent before it answers; a hundred megapixels take a while."""
WITHDRAW_S = 3.0
"""How long a stop waits for the name of a job that is being sent, so that the job can be stopped too."""
_ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Request:
    """What is to be filled, and how.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        picture: its pixels, row after row, `channels` values of the type `dtype` each; floats lie in 0 to 1.
        mask: a byte for each pixel; 128 and more = fill this.
        exclude: likewise; the model may not look at these.
        options: as JSON, what `/v1/jobs` takes: `{"fill": {"backend": ...}, "explain": {...} or None}`.
        dtype: `uint8`, `uint16` or `float32`.
        channels: 1, 3 or 4.
    """

    width: int
    height: int
    picture: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    options: dict[str, Any] = field(default_factory=dict)
    exclude: bytes | None = field(default=None, repr=False)
    dtype: str = "uint8"
    channels: int = 4

    def body(self) -> Body:
        """The form that is sent; nothing large is copied."""
        plane = header((self.height, self.width), "uint8")
        picture = header((self.height, self.width, self.channels), self.dtype)
        fields = {
            "options": [json.dumps(self.options).encode()],
            "mask": [plane, self.mask],
            "picture": [picture, self.picture],
        }
        if self.exclude is not None:
            fields["exclude"] = [plane, self.exclude]
        return Body.of_form(fields, token_hex(24))


@dataclass(frozen=True)
class Layer:
    """Where a layer lies in the picture that was sent, and how it is shown."""

    slug: str
    name: str
    left: int
    top: int
    width: int
    height: int
    opacity: float
    blend_mode: str


class Answer:
    """A job that is done; what it made is fetched when asked for, within minutes.

    Attributes:
        layers: in painting order; the first is the result.
        sentence: the explanation in words; empty if nothing was explained.
        report: the numbers.
    """

    def __init__(self, connection: Connection, place: str, facts: dict[str, Any], report: dict[str, Any]) -> None:
        self._connection, self._place = connection, place
        self.sentence = str(facts.get("sentence", ""))
        self.report = report
        try:
            self.layers = [
                Layer(**{name: layer[name] for name in Layer.__dataclass_fields__}) for layer in facts["layers"]
            ]
        except (KeyError, TypeError):
            raise connection.senseless() from None

    def pixels(self, slug: str) -> bytes:
        """A layer's pixels, RGBA of 8 bits, not premultiplied; raises `Trouble`."""
        return self._array(f"layers/{quote(slug)}.npy")

    def fill(self) -> bytes:
        """The filled picture in the type and channels that were sent; raises `Trouble`."""
        return self._array("result.npy")

    def region(self) -> bytes | None:
        """The region of interest: 255 for each pixel of the picture in it, else 0; None if nothing was explained."""
        return self._array("region.npy") if "explanation" in self.report else None

    def forget(self) -> None:
        """Let the service give the memory back; nothing can be fetched afterwards."""
        _delete(self._connection, self._place)

    def _array(self, name: str) -> bytes:
        data = self._connection.read("GET", f"{self._place}/{name}")
        try:
            return bytes(parse(data)[2])
        except ValueError:
            raise self._connection.senseless() from None


class Client:
    """Asks a service; made anew after it went away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fill(self, request: Request, tell: Tell, stopped: Callable[[], bool]) -> Answer:
        """Fill, and explain where the options say so.

        Args:
            request: what and how.
            tell: called with the stage and the share that is done (None = unknown) at least every tenth of a second.
            stopped: asked as often.

        Raises:
            Trouble: one sentence; the service refused, failed or went away.
            Stopped: asked to stop; the service stops too.
        """
        return self._do("/v1/jobs", request.body(), "sending the picture", tell, stopped, self._answer)

    def download(self, names: list[str], tell: Tell, stopped: Callable[[], bool]) -> None:
        """Fetch the weights of the backends `names`; as `fill` otherwise. What came whole stays when it is stopped."""
        body = Body.of_json({"names": names})
        self._do("/v1/downloads", body, "asking", tell, stopped, lambda place: _delete(self._connection, place))

    def backends(self) -> list[dict[str, Any]]:
        """Every backend with its licence, size, settings, and whether it is ready, as `/v1/backends` tells."""
        found = self._connection.json("GET", "/v1/backends")
        if not isinstance(found, list):
            raise self._connection.senseless()
        return found

    def _answer(self, place: str) -> Answer:
        facts = self._connection.json("GET", place)
        return Answer(self._connection, place, facts, self._connection.json("GET", f"{place}/report.json"))

    def _do(
        self, where: str, body: Body, stage: str, tell: Tell, stopped: Callable[[], bool], then: Callable[[str], Any]
    ) -> Any:
        """Submit a job, follow it, and take what `then` makes of its address."""
        job = _Job(self._connection, where, body, stage)

        def tick() -> None:
            tell(*job.standing)
            if stopped():
                raise Stopped

        def work() -> Any:
            job.run()
            return then(job.place)

        return with_ticks(work, tick, job.give_up)


class _Job:
    """One job from here: sent, followed, and withdrawn if its caller gives up."""

    def __init__(self, connection: Connection, where: str, body: Body, stage: str) -> None:
        self.standing: tuple[str, float | None] = (stage, None)
        self.place = ""
        self._connection, self._where, self._body = connection, where, body
        self._sent = threading.Event()
        self._call: Call | None = None

    def run(self) -> None:
        """Return when it is done; raises `Trouble`."""
        try:
            self._call = self._connection.call(DECODING_S)
            answer = self._connection.decoded(self._call.read("POST", self._where, self._body))
            self.place = f"/v1/jobs/{quote(str(answer['id']), safe='')}"
        except (KeyError, TypeError):
            raise self._connection.senseless() from None
        finally:
            self._body = Body("", [])
            self._sent.set()
        self._call = self._connection.call()
        with self._call.opened("GET", f"{self.place}/events") as stream:
            try:
                for text in events(stream):
                    if self._settled(json.loads(text)):
                        return
            except (ValueError, KeyError, TypeError):
                raise self._connection.senseless() from None
        raise self._connection.gone()

    def give_up(self) -> None:
        """Stop sending or following, and let the service stop working."""
        self._sent.wait(WITHDRAW_S)
        if self._call is not None:
            self._call.hang_up()
        if self.place:
            _delete(self._connection, self.place)

    def _settled(self, facts: dict[str, Any]) -> bool:
        """Take in one event; True when it is done; raises `Trouble` where it failed."""
        state = facts["state"]
        if state not in _ENDED:
            before = int(facts["position"])
            stage = f"waiting for {before} other{'s' if before > 1 else ''}" if before else str(facts["stage"])
            self.standing = stage, float(facts["share"]) if state == "running" else None
            return False
        if state != "done":
            raise Trouble(str(facts["error"]))
        self.standing = "fetching the layers", 1.0
        return True


def _delete(connection: Connection, place: str) -> None:
    try:
        connection.read("DELETE", place, limit_s=WITHDRAW_S)
    except Trouble:
        return  # it is gone already
