"""The window of Models…."""

from __future__ import annotations

from typing import Any

from .asking import client_for
from .backends import Backend, asked, remembered
from .client import Client
from .errors import Stopped, Trouble
from .gimp_ui import GimpUi, Gtk, Pango
from .progress import Progress, words_for

_EDGE_PX = 12
_SIZE_PX = (860, 520)
_COLUMNS = (("Backend", 0), ("What it is", 1), ("Licence", 2), ("Download", 3), ("State", 4))
_NAME = 0
_DOWNLOAD = 1


class _Bar(Progress):
    """The bar at the foot of the window; keeps the window alive."""

    def __init__(self, bar: Any) -> None:
        self._bar, self.over = bar, False

    def tell(self, stage: str, share: float | None) -> None:
        """Show it, and let the buttons work."""
        self._bar.set_text(words_for(stage))
        if share is None:
            self._bar.pulse()
        else:
            self._bar.set_fraction(min(1.0, max(0.0, share)))
        while Gtk.events_pending():
            Gtk.main_iteration_do(False)

    def stopped(self) -> bool:
        """Whether Stop was pressed or the window closed."""
        return self.over


class ModelsDialog:
    """All backends, with a button that downloads the one that is selected."""

    def __init__(self) -> None:
        GimpUi.init("inpaint-lens")
        self._window = GimpUi.Dialog(title="Models")
        self._window.set_default_size(*_SIZE_PX)
        self._rows = Gtk.ListStore(str, str, str, str, str)
        self._list = _list_of(self._rows)
        self._bar = Gtk.ProgressBar(show_text=True)
        self._line = Gtk.Label(xalign=0.0, wrap=True, selectable=True)
        self._download = self._window.add_button("_Download", _DOWNLOAD)
        self._stop = Gtk.Button.new_with_mnemonic("_Stop")
        self._window.add_button("_Close", Gtk.ResponseType.CLOSE)
        self._backends: dict[str, Backend] = {}
        self._client: Client | None = None
        self._progress: _Bar | None = None
        self._closed = False
        self._lay_out()
        self._list.get_selection().connect("changed", self._selected)
        self._stop.connect("clicked", self._stop_asked)

    def run(self) -> None:
        """Until it is closed."""
        self._show(remembered())
        self._do(self._refresh)
        while not self._closed and self._window.run() == _DOWNLOAD:
            self._do(self._fetch)
        self._window.destroy()

    def _lay_out(self) -> None:
        scrolled = Gtk.ScrolledWindow(vexpand=True, shadow_type=Gtk.ShadowType.IN)
        scrolled.add(self._list)
        foot = Gtk.Box(spacing=_EDGE_PX)
        foot.pack_start(self._bar, True, True, 0)
        foot.pack_start(self._stop, False, False, 0)
        area = self._window.get_content_area()
        area.set_border_width(_EDGE_PX)
        area.set_spacing(_EDGE_PX // 2)
        for widget in (scrolled, self._line, foot):
            area.add(widget)
        self._window.show_all()
        self._stop.set_sensitive(False)

    def _do(self, work: Any) -> None:
        """Work that shows its progress and can be stopped, also by closing the window."""
        self._progress = _Bar(self._bar)
        # Outside of its own loop, a dialog that is closed would be destroyed under the work.
        handlers = [
            self._window.connect("response", self._responded),
            self._window.connect("delete-event", lambda *_: True),
        ]
        self._stop.set_sensitive(True)
        self._download.set_sensitive(False)
        try:
            self._line.set_text("")
            work(self._progress)
        except Stopped:
            self._line.set_text("Stopped. What was downloaded whole stays.")
        except Trouble as trouble:
            self._line.set_text(str(trouble))
        finally:
            for handler in handlers:
                self._window.disconnect(handler)
            self._stop.set_sensitive(False)
            self._download.set_sensitive(self._downloadable())
            self._bar.set_text("")
            self._bar.set_fraction(0)

    def _refresh(self, progress: _Bar) -> None:
        self._client = client_for(progress)
        self._show(asked(self._client))

    def _fetch(self, progress: _Bar) -> None:
        name = self._chosen()
        if name is None:
            return
        self._client = client_for(progress)
        self._client.download([name], progress.tell, progress.stopped)
        self._show(asked(self._client))
        self._line.set_text(f"{name} is ready.")

    def _show(self, backends: list[Backend]) -> None:
        self._backends = {backend.name: backend for backend in backends}
        self._rows.clear()
        for backend in backends:
            state = "ready" if backend.ready else "by hand" if backend.by_hand else "not here"
            self._rows.append([backend.name, backend.title, backend.licence, backend.size, state])

    def _chosen(self) -> str | None:
        rows, place = self._list.get_selection().get_selected()
        return None if place is None else rows[place][_NAME]

    def _selected(self, _selection: Any) -> None:
        backend = self._backends.get(self._chosen() or "")
        if backend is None:
            return
        self._line.set_text(_fact(backend))
        self._download.set_sensitive(self._downloadable())

    def _downloadable(self) -> bool:
        backend = self._backends.get(self._chosen() or "")
        return backend is not None and not (backend.ready or backend.by_hand)

    def _stop_asked(self, _button: Any) -> None:
        if self._progress is not None:
            self._progress.over = True

    def _responded(self, _window: Any, response: int) -> None:
        if response != _DOWNLOAD:
            self._closed = True
            self._stop_asked(None)


def _fact(backend: Backend) -> str:
    """What to know of a backend before it is downloaded."""
    if backend.ready:
        return f"{backend.name}: ready. Licence: {backend.licence}."
    if backend.by_hand:
        return f"{backend.name}: {backend.status}"
    return f"{backend.name}: {backend.size} to download. Licence: {backend.licence}."


def _list_of(rows: Any) -> Any:
    view = Gtk.TreeView(model=rows)
    for title, index in _COLUMNS:
        cell = Gtk.CellRendererText(ellipsize=Pango.EllipsizeMode.END)
        column = Gtk.TreeViewColumn(title, cell, text=index)
        column.set_resizable(True)
        column.set_expand(title == "What it is")
        column.set_min_width(110)
        view.append_column(column)
    return view
