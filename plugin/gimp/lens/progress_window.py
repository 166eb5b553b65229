"""A small window with a stage, a bar and Stop."""

from __future__ import annotations

from collections.abc import Callable

from .gimp_ui import GimpUi, Gtk

WIDTH_PX = 380
_EDGE_PX = 12


class ProgressWindow:
    """Not modal, so that GIMP can be used meanwhile."""

    def __init__(self, title: str, stop: Callable[[], None]) -> None:
        GimpUi.init("inpaint-lens")
        self._stop = stop
        self._stage, self._bar = Gtk.Label(xalign=0.0), Gtk.ProgressBar(show_text=True)
        self._button = Gtk.Button.new_with_mnemonic("_Stop")
        self._window = Gtk.Window(title=title, resizable=False, type_hint=1, default_width=WIDTH_PX)
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_EDGE_PX // 2, border_width=_EDGE_PX)
        buttons = Gtk.ButtonBox(layout_style=Gtk.ButtonBoxStyle.END)
        buttons.add(self._button)
        for widget in (self._stage, self._bar, buttons):
            box.add(widget)
        self._window.add(box)
        self._window.set_size_request(WIDTH_PX, -1)
        self._button.connect("clicked", self._stop_asked)
        self._window.connect("delete-event", self._stop_asked)
        GimpUi.window_set_transient(self._window)
        self._window.show_all()

    def show(self, stage: str, share: float | None, seconds: float) -> None:
        """Show the stage, the share that is done (None = unknown) and for how long it has been going on."""
        self._stage.set_text(stage)
        if share is None:
            self._bar.pulse()
        else:
            self._bar.set_fraction(min(1.0, max(0.0, share)))
        self._bar.set_text(f"{seconds:.0f} s")
        while Gtk.events_pending():
            Gtk.main_iteration_do(False)

    def close(self) -> None:
        """Take it away."""
        self._window.destroy()
        while Gtk.events_pending():
            Gtk.main_iteration_do(False)

    def _stop_asked(self, *_: object) -> bool:
        self._button.set_sensitive(False)
        self._button.set_label("Stopping…")
        self._stop()
        return True
