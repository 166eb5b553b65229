"""GIMP's own dialog for the arguments, with a list of backends and word of a service that cannot be started."""

from __future__ import annotations

from typing import Any

from .backends import Backend, Warming, remembered
from .gimp import GLib, GObject
from .gimp_ui import GimpUi, Gtk, Pango

_EDGE_PX = 12
_LABEL_CHARACTERS = 46


def confirmed(procedure: Any, config: Any, title: str, names: list[str]) -> bool:
    """Ask for the arguments `names`, of which `backend` is chosen from a list; False for Cancel."""
    GimpUi.init("inpaint-lens")
    dialog = GimpUi.ProcedureDialog.new(procedure, config, title)
    dialog.get_scale_entry("opacity", 1.0)
    dialog.fill([name for name in names if name != "backend"])
    note = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=_LABEL_CHARACTERS, no_show_all=True, margin=_EDGE_PX)
    area = dialog.get_content_area()
    chooser = _Chooser(config, note) if "backend" in names else None
    if chooser:
        area.pack_start(chooser.row, False, False, 0)
        area.reorder_child(chooser.row, 0)
        chooser.line_up(dialog.get_widget("context", GObject.TYPE_NONE))
        dialog.set_sensitive("what", False, config, "explain", False)
        dialog.set_sensitive("opacity", False, config, "explain", False)
    area.pack_start(note, False, False, 0)
    warming = Warming(lambda found, trouble: GLib.idle_add(_tell, chooser, note, found, trouble))
    try:
        return bool(dialog.run())
    finally:
        warming.leave()
        dialog.destroy()


def _tell(chooser: _Chooser | None, note: Any, found: list[Backend], trouble: str) -> bool:
    """In the main loop, when the service has answered or could not be started; the dialog may be gone by then."""
    if note.get_parent() is None:
        return bool(GLib.SOURCE_REMOVE)
    if chooser and found:
        chooser.offer(found)
    if trouble:
        note.set_text(trouble)
        note.show()
    return bool(GLib.SOURCE_REMOVE)


class _Chooser:
    """A list of backends, bound to the argument; what is not ready says so below."""

    def __init__(self, config: Any, note: Any) -> None:
        self._config, self._note = config, note
        self._backends: dict[str, Backend] = {}
        self._list = Gtk.ComboBoxText()
        for cell in self._list.get_cells():
            cell.set_property("ellipsize", Pango.EllipsizeMode.END)
            cell.set_property("width-chars", _LABEL_CHARACTERS)
        self._label = Gtk.Label.new_with_mnemonic("_Backend")
        self._label.set_mnemonic_widget(self._list)
        self._label.set_xalign(0.0)
        self.row = Gtk.Box(spacing=_EDGE_PX // 2, margin_top=_EDGE_PX // 2, margin_bottom=_EDGE_PX // 2)
        self.row.pack_start(self._label, False, False, 0)
        self.row.pack_start(self._list, True, True, 0)
        self.offer(remembered())
        self._list.connect("changed", self._changed)
        self.row.show_all()

    def line_up(self, other: Any) -> None:
        """Let the list begin where that of another argument does."""
        self._columns = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
        self._columns.add_widget(self._label)
        if isinstance(other, GimpUi.Labeled):
            self._columns.add_widget(other.get_label())

    def offer(self, backends: list[Backend]) -> None:
        """Show these; what was chosen stays, even if it is not among them."""
        chosen = self._config.get_property("backend") or backends[0].name
        self._backends = {backend.name: backend for backend in backends}
        self._backends.setdefault(chosen, Backend(chosen, "not known here"))
        self._list.remove_all()
        for backend in self._backends.values():
            self._list.append(backend.name, backend.label)
        self._list.set_active_id(chosen)

    def _changed(self, _list: Any) -> None:
        name = self._list.get_active_id()
        if name is None:
            return
        self._config.set_property("backend", name)
        backend = self._backends[name]
        self._note.set_text("" if backend.ready else f"{name} is not here yet: see Filters > Inpaint Lens > Models…")
        self._note.set_visible(not backend.ready)
