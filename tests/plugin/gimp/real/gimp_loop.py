# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""Inside GIMP: fill, explain, exclude, refill, and what a fill remembers."""

from gimp_lib import (
    HEIGHT,
    OUT,
    WIDTH,
    Base,
    Gimp,
    Gio,
    Kind,
    Mode,
    call,
    case,
    coloured,
    fill,
    layer_in,
    look,
    names,
    note,
    picture,
    read,
    select,
    tell,
    write,
)


def explained(**arguments):
    """A picture with a fill and its heatmap."""
    image, layer = picture()
    select(image)
    facts, result, heatmap = fill(image, [layer], explain=True, **arguments)
    assert facts["status"] == "success", facts
    return image, layer, result, heatmap


def seen(image):
    return [(layer.get_name(), layer.get_visible()) for layer in image.get_layers()]


@case
def whole_loop():
    image, layer, result, heatmap = explained()
    before, first = read(layer), note(result)
    facts, again, heat = call("refill", image, [layer])
    second = note(again)
    return facts | {
        "seen": seen(image),
        "first": {"avoid": first["avoid"], "region": first["region"]},
        "second": {"avoid": second["avoid"], "region": second["region"]},
        "same_hole": first["hole"] == second["hole"],
        "differs": read(again) != read(result),
        "alpha_is_the_same": read(again)[3::4] == read(result)[3::4],
        "untouched": read(layer) == before,
        "heatmap": look(heat),
        "old_heatmap": look(heatmap),
    }


@case
def refill_without_what_is_selected():
    image, layer, _, _ = explained()
    select(image, 5, 5, 10, 70)
    facts, again, _ = call("refill", image, [layer])
    return facts | {"avoid": note(again)["avoid"]}


@case
def refill_twice():
    image, layer, result, _ = explained()
    _, once, _ = call("refill", image, [result])
    facts, twice, _ = call("refill", image, [layer])
    return facts | {"avoids": [note(found)["avoid"] for found in (once, twice)]}


@case
def explain_a_part():
    image, _layer, result, heatmap = explained()
    whole = read(heatmap)
    select(image, 31, 26, 18, 6)
    facts, same, part = call("explain", image, [result], opacity=40.0)
    return facts | {
        "same_result": same == result,
        "differs": read(part) != whole,
        "heatmap": look(part),
        "seen": seen(image),
        "coloured": coloured(part),
    }


@case
def explain_a_fill_that_was_not_explained():
    image, layer = picture()
    select(image)
    _, result, _ = fill(image, [layer])
    without = note(result)["region"]
    facts, _, heatmap = call("explain", image, [layer])
    return facts | {"before": without, "after": note(result)["region"], "heatmap": look(heatmap)}


@case
def explain_beside_the_fill():
    image, layer, _, _ = explained()
    select(image, 70, 60, 5, 5)
    return call("explain", image, [layer])[0] | {"layers": names(image.get_layers())}


@case
def explain_everything_though_a_part_is_selected():
    image, _layer, result, heatmap = explained()
    whole = read(heatmap)
    select(image, 31, 26, 18, 6)
    facts, _, again = call("explain", image, [result], what="whole")
    return facts | {"same": read(again) == whole}


@case
def explain_a_changed_picture():
    image, layer, result, _ = explained()
    write(layer, bytes([9, 9, 9, 255]) * (WIDTH * HEIGHT))
    return call("explain", image, [result])[0] | {"layers": names(image.get_layers())}


@case
def refill_a_changed_picture():
    image, layer, result, _ = explained()
    write(layer, bytes([9, 9, 9, 255]) * (WIDTH * HEIGHT))
    facts, again, _ = call("refill", image, [result])
    return facts | {"brightest": max(read(again)[0::4])}


@case
def explain_after_the_layer_was_deleted():
    image, layer, result, _ = explained()
    layer_in(image, name="other", seed=2)
    image.remove_layer(layer)
    return call("explain", image, [result])[0]


@case
def explain_a_layer_without_a_fill():
    image, layer = picture()
    return call("explain", image, [layer])[0]


@case
def explain_a_damaged_note():
    image, _, result, _ = explained()
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    for data in (b"\x01 no json", b"{}", b'{"version": 1, "kind": "result", "hole": {"box": [0, 0, 9, 9]}}'):
        result.attach_parasite(Gimp.Parasite.new("inpaint-lens", flags, data))
        facts = call("explain", image, [result])[0]
        assert facts["status"] == "calling-error", facts
    return facts


@case
def refill_without_a_region():
    image, layer = picture()
    select(image)
    fill(image, [layer])
    return call("refill", image, [layer])[0]


@case
def after_saving_and_loading():
    image, _, _, _ = explained()
    path = Gio.File.new_for_path(str(OUT / "loop.xcf"))
    Gimp.file_save(Mode.NONINTERACTIVE, image, path, None)
    loaded = Gimp.file_load(Mode.NONINTERACTIVE, path)
    result = loaded.get_layers()[1]
    return {
        "explain": call("explain", loaded, [result])[0],
        "refill": call("refill", loaded, [result])[0],
        "layers": names(loaded.get_layers()),
    }


@case
def in_a_copy_of_the_image():
    """Whose layers have other numbers."""
    image, layer = picture()
    for number in range(3):
        layer_in(image, name=f"other {number}", seed=number + 5)
    select(image)
    fill(image, [layer], explain=True)
    copy = image.duplicate()
    result = next(found for found in copy.get_layers() if found.get_name().startswith("Fill"))
    return {"explain": call("explain", copy, [result])[0], "refill": call("refill", copy, [result])[0]}


@case
def from_the_heatmap_of_a_grey_picture():
    image, layer = picture(Base.GRAY, kind=Kind.GRAY_IMAGE)
    select(image)
    _, _, heatmap = fill(image, [layer], explain=True)
    copy = heatmap.get_image()
    facts, again, _ = call("refill", copy, [heatmap])
    grey, _, other = call("explain", image, [layer])
    return {
        "in_the_copy": facts,
        "place": look(again),
        "copy": copy.get_id(),
        "in_the_grey_one": grey,
        "heatmap_elsewhere": other.get_image().get_id() not in (image.get_id(), copy.get_id()),
        "grey_layers": names(image.get_layers()),
    }


@case
def after_the_layer_was_moved():
    image, layer, result, _ = explained()
    layer.set_offsets(7, -3)
    facts, _, heatmap = call("explain", image, [result], what="whole")
    return facts | {"heatmap": look(heatmap)}


@case
def fill_with_the_heatmap_selected():
    """The picture below is meant."""
    image, layer, _, heatmap = explained()
    select(image, 60, 40, 20, 20)
    facts, result, _ = fill(image, [heatmap])
    return facts | {"result": look(result), "source": note(result)["source"] == layer.get_tattoo()}


@case
def avoid_the_last_region():
    image, layer, result, _ = explained()
    facts, again, _ = fill(image, [layer], avoid="last-region")
    return facts | {"region": note(result)["region"], "avoid": note(again)["avoid"]}


@case
def repeated_with_the_last_values():
    image, layer = picture()
    select(image)
    facts, result, _ = fill(image, [layer], mode=Mode.WITH_LAST_VALS)
    return facts | {"result": look(result)}


@case
def lens_small():
    image, _, result, heatmap = explained(backend="lens-small")
    facts, again, _ = call("refill", image, [result])
    return facts | {
        "region": note(result)["region"],
        "coloured": coloured(heatmap),
        "differs": read(again) != read(result),
    }


@case
def another_backend_than_there_is():
    image, layer = picture()
    select(image)
    return fill(image, [layer], backend="lens-smal")[0]


@case
def weights_that_are_not_here():
    image, layer = picture()
    select(image)
    return fill(image, [layer], backend="lama")[0]


@case
def models_for_scripts():
    image, layer = picture()
    return {"none": call("models", image, [layer])[0], "unknown": call("models", image, [layer], download="nobody")[0]}


tell()
