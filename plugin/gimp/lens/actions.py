"""The procedures that work on a picture, as values: labels, arguments, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import operations
from .choices import LAST_REGION, MIDDLE, NAMED, NOTHING, WHOLE, Choices, brief, names
from .choosing import chosen_layer
from .declaring import PREFIX, READ_WRITE, answered
from .errors import Stopped
from .gimp import Gimp, GLib, GObject
from .placing import Placed
from .progress import has_display, shown
from .remembering import Typed
from .selection import hole_on

_SELECTED = "selection"


@dataclass(frozen=True)
class Action:
    """One procedure.

    Attributes:
        label: in the menu.
        blurb: what it does, in one sentence.
        help: more of it.
        arguments: names, in the order of the dialog; none = no dialog.
        declare: adds the arguments to a procedure.
        look: raises `Refusal` for what can be told before anything is asked.
        run: the work.
    """

    label: str
    blurb: str
    help: str
    arguments: Sequence[str]
    declare: Callable[[Any], None]
    look: Callable[[Any, Any], object]
    run: Callable[[Any, Any, Any, operations.Show], tuple[Placed, str]]


def _choice(procedure: Any, name: str, label: str, help_: str, options: dict[str, str]) -> None:
    choice = Gimp.Choice.new()
    for number, (nick, text) in enumerate(options.items()):
        choice.add(nick, number, text, "")
    procedure.add_choice_argument(name, label, help_, choice, next(iter(options)), READ_WRITE)


def _declare_fill(procedure: Any) -> None:
    plain, flags = Choices(), READ_WRITE
    procedure.add_string_argument("backend", "_Backend", "What fills: see Models…", plain.backend, flags)
    procedure.add_boolean_argument("explain", "_Explain the fill", "Add a heatmap", plain.explain, flags)
    what = {WHOLE: "Whole fill", MIDDLE: "Middle of the selection"}
    _choice(procedure, "what", "E_xplained part", "Which part of the fill to explain", what)
    _declare_opacity(procedure)
    help_ = "Pixels of surroundings that the model sees; -1 = by the size of the selection"
    procedure.add_int_argument("context", "Con_text (-1 = auto)", help_, -1, 4096, plain.context, flags)
    help_ = "Pixels of soft border, for a selection without one"
    procedure.add_int_argument("feather", "_Feather", help_, 0, 500, plain.feather, flags)
    procedure.add_int_argument("seed", "See_d", "For models that draw lots", 0, 2**31 - 1, plain.seed, flags)
    avoid = {
        NOTHING: "Nothing",
        NAMED: "The channel or path named “avoid”",
        LAST_REGION: "The region highlighted last",
    }
    _choice(procedure, "avoid", "_Avoid", "What the model may not look at", avoid)


def _declare_explain(procedure: Any) -> None:
    what = {_SELECTED: "What is selected of the fill", WHOLE: "Whole fill"}
    _choice(procedure, "what", "E_xplained part", "Which part of the fill to explain", what)
    _declare_opacity(procedure)


def _declare_opacity(procedure: Any) -> None:
    opacity = Choices().opacity
    procedure.add_double_argument("opacity", "_Heatmap opacity", "In percent", 0, 100, opacity, READ_WRITE)


def _fill(image: Any, layer: Any, config: Any, show: operations.Show) -> tuple[Placed, str]:
    return operations.fill(image, layer, Choices.of(config), show)


def _explain(image: Any, layer: Any, config: Any, show: operations.Show) -> tuple[Placed, str]:
    whole, opacity = config.get_property("what") == WHOLE, config.get_property("opacity")
    return operations.explain(image, layer, whole, opacity, show)


def _refill(image: Any, layer: Any, _config: Any, show: operations.Show) -> tuple[Placed, str]:
    return operations.refill(image, layer, show)


ACTIONS = {
    f"{PREFIX}fill": Action(
        "_Fill and Explain...",
        "Fill the selection, and show which parts of the picture the fill was made from",
        "Adds a layer with the fill and one with a heatmap above the picture, which is not changed.",
        names(),
        _declare_fill,
        lambda image, layer: hole_on(image, operations.picture_below(image, layer)),
        _fill,
    ),
    f"{PREFIX}explain": Action(
        "_Explain This Fill...",
        "Show which parts of the picture a fill was made from",
        "Adds a heatmap to a fill of Fill and Explain, of all of it or of the part that is selected.",
        ("what", "opacity"),
        _declare_explain,
        operations.fill_meant,
        _explain,
    ),
    f"{PREFIX}refill": Action(
        "_Refill Without the Highlighted Region",
        "Fill again without looking at the region that the fill was made from",
        "Adds a new fill of the same place. What is selected outside of it is avoided instead of the region.",
        (),
        lambda procedure: None,
        operations.fill_meant,
        _refill,
    ),
}


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any, _data: Any) -> Any:
    """Called by GIMP; every end of it is layers, one sentence, or nothing where the person stopped it."""
    action = ACTIONS[procedure.get_name()]
    typed = Typed(procedure.get_name(), action.arguments)

    def work() -> Any:
        layer = chosen_layer(image, drawables)
        action.look(image, layer)
        if run_mode != Gimp.RunMode.NONINTERACTIVE and action.arguments:
            typed.restore(config)
            if run_mode == Gimp.RunMode.INTERACTIVE and not _confirmed(procedure, config, action):
                raise Stopped
            typed.keep(config)
        placed, sentence = action.run(image, layer, config, partial(shown, run_mode))
        typed.forget()
        _show(placed, sentence, run_mode)
        return _layers(procedure, placed)

    return answered(procedure, work)


def _confirmed(procedure: Any, config: Any, action: Action) -> bool:
    from .dialogs import confirmed

    title = action.label.replace("_", "").rstrip(".")
    return confirmed(procedure, config, title, list(action.arguments))


def _show(placed: Placed, sentence: str, run_mode: Any) -> None:
    shown_to_person = run_mode != Gimp.RunMode.NONINTERACTIVE and has_display()
    if placed.copy is not None and shown_to_person:
        Gimp.Display.new(placed.copy)
    if shown_to_person:
        Gimp.displays_flush()
    if placed.message:
        Gimp.message(placed.message)
    if sentence and shown_to_person:
        # Only while there is progress, GIMP puts a message into the status bar instead of a box.
        Gimp.progress_init("")
        Gimp.message(brief(sentence))
        Gimp.progress_end()


def _layers(procedure: Any, placed: Placed) -> Any:
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())
    # The status stands before the declared values.
    for index, layer in enumerate((placed.result, placed.heatmap), 1):
        if layer is not None:
            values.remove(index)
            values.insert(index, GObject.Value(Gimp.Layer, layer))
    return values
