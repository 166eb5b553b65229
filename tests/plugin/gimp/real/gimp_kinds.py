# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""Inside GIMP: fill pictures, layers and selections of every kind."""

from gimp_lib import (
    CASES,
    HEIGHT,
    OUT,
    WIDTH,
    Base,
    Depth,
    Gegl,
    Gimp,
    Gio,
    Kind,
    Mode,
    case,
    coloured,
    fill,
    layer_in,
    look,
    names,
    picture,
    read,
    select,
    tell,
    write,
)


def filled(image, layer, drawables=None, selection=select, **arguments):
    """All facts of one fill."""
    selection(image)
    before, chosen = read(layer, None), read(image.get_selection(), "Y u8")
    base, depth, ids = image.get_base_type(), image.get_precision(), {found.get_id() for found in Gimp.get_images()}
    facts, result, heatmap = fill(image, [layer] if drawables is None else drawables, **arguments)
    new = [found for found in Gimp.get_images() if found.get_id() not in ids]
    facts |= {
        "untouched": read(layer, None) == before,
        "selection_kept": read(image.get_selection(), "Y u8") == chosen,
        "kept_kind": (image.get_base_type(), image.get_precision()) == (base, depth),
        "selected": [item.get_name() for item in image.get_selected_layers()],
        "layers": names(image.get_layers()),
        "image": image.get_id(),
        "copies": [
            {"layers": names(copy.get_layers()), "id": copy.get_id(), "base": copy.get_base_type().value_nick}
            for copy in new
        ],
        "result": look(result),
        "heatmap": look(heatmap),
    }
    if result:
        facts |= compared(image, layer, result, chosen)
    if heatmap:
        facts |= {"heatmap_coloured": coloured(heatmap)}
    return facts


def compared(image, layer, result, chosen):
    """How the fill lies in the selection, and how far its colours are from the picture's, in levels of 255."""
    _, x, y = result.get_offsets()
    width, height = result.get_width(), result.get_height()
    inside = b"".join(chosen[(y + row) * image.get_width() + x :][:width] for row in range(height))
    pixels = read(result)
    return {"alpha_is_selection": pixels[3::4] == inside, "levels": [min(pixels[0::4]), max(pixels[0::4])]}


for label, base, depth, kind in (
    ("rgb", Base.RGB, Depth.U8_NON_LINEAR, Kind.RGB_IMAGE),
    ("rgba", Base.RGB, Depth.U8_NON_LINEAR, Kind.RGBA_IMAGE),
    ("rgba_linear", Base.RGB, Depth.U8_LINEAR, Kind.RGBA_IMAGE),
    ("rgb_u16", Base.RGB, Depth.U16_NON_LINEAR, Kind.RGB_IMAGE),
    ("rgba_u32_linear", Base.RGB, Depth.U32_LINEAR, Kind.RGBA_IMAGE),
    ("rgba_half", Base.RGB, Depth.HALF_LINEAR, Kind.RGBA_IMAGE),
    ("rgba_float", Base.RGB, Depth.FLOAT_NON_LINEAR, Kind.RGBA_IMAGE),
    ("rgb_float_linear", Base.RGB, Depth.FLOAT_LINEAR, Kind.RGB_IMAGE),
    ("rgba_double", Base.RGB, Depth.DOUBLE_LINEAR, Kind.RGBA_IMAGE),
    ("gray", Base.GRAY, Depth.U8_NON_LINEAR, Kind.GRAY_IMAGE),
    ("graya_u16", Base.GRAY, Depth.U16_NON_LINEAR, Kind.GRAYA_IMAGE),
):
    CASES[label] = lambda base=base, depth=depth, kind=kind: filled(*picture(base, depth, kind))
    smooth = label.startswith("rgb")
    if smooth:
        CASES[f"even_{label}"] = lambda base=base, depth=depth, kind=kind: even(*picture(base, depth, kind))


def even(image, layer):
    """A picture of one colour, whose fill must be that colour, in the picture's own depth."""
    write(layer, b"\xc8\x64\x32\xff" * (WIDTH * HEIGHT))
    facts = filled(image, layer, feather=3)
    result = image.get_layers()[0]
    got = read(result, "RGBA float", (result.get_width() // 2, result.get_height() // 2, 1, 1))
    want = read(layer, "RGBA float", (0, 0, 1, 1))
    values = memoryview(got).cast("f"), memoryview(want).cast("f")
    border = read(result)
    colours = [border[i : i + 3] for i in range(0, len(border), 4) if border[i + 3]]
    off = max(abs(one - other) for colour in colours for one, other in zip(colour, b"\xc8\x64\x32", strict=True))
    return facts | {"off": max(abs(values[0][i] - values[1][i]) for i in range(4)), "border_off": off}


@case
def compared_with_the_package():
    """Kept as files, to be filled again outside of GIMP."""
    image, layer = picture(kind=Kind.RGB_IMAGE)
    facts = filled(image, layer, feather=4)
    (OUT / "picture.bin").write_bytes(read(layer))
    (OUT / "selection.bin").write_bytes(read(image.get_selection(), "Y u8"))
    (OUT / "result.bin").write_bytes(read(image.get_layers()[0]))
    return facts


@case
def large():
    """Of which only a part is sent."""
    image, layer = picture(width=5000, height=3400, kind=Kind.RGB_IMAGE)
    facts = filled(image, layer, selection=lambda image: select(image, 1500, 1200, 60, 40), feather=4)
    (OUT / "large.bin").write_bytes(read(image.get_layers()[0]))
    return facts


@case
def indexed():
    image, _ = picture()
    image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 16, False, False, "")
    return filled(image, image.get_layers()[0], explain=True)


@case
def gray_explained():
    return filled(*picture(Base.GRAY, kind=Kind.GRAY_IMAGE), explain=True)


@case
def rgb_explained():
    return filled(*picture(), explain=True, opacity=55.0)


@case
def middle_explained():
    return filled(*picture(), explain=True, what="middle")


@case
def adobe_rgb():
    image, layer = picture()
    image.set_color_profile(Gimp.ColorProfile.new_rgb_adobe())
    return even(image, layer)


@case
def moved_layer():
    image, layer = picture()
    layer.set_offsets(-10, 30)
    return filled(image, layer, selection=lambda image: select(image, 5, 45, 30, 20))


@case
def layer_larger_than_the_image():
    image, _ = picture()
    layer = layer_in(image, 200, 150, name="large")
    layer.set_offsets(-50, -40)
    return filled(image, layer)


@case
def layer_smaller_than_the_image():
    image, _ = picture()
    layer = layer_in(image, 50, 40, name="small")
    layer.set_offsets(20, 15)
    return filled(image, layer)


@case
def selection_partly_outside():
    image, _ = picture()
    layer = layer_in(image, 50, 40, name="small")
    layer.set_offsets(20, 15)
    return filled(image, layer, selection=lambda image: select(image, 60, 40, 30, 30), feather=3)


@case
def selection_outside():
    image, _ = picture()
    layer = layer_in(image, 20, 10, name="small")
    return filled(image, layer)


@case
def empty_selection():
    return filled(*picture(), selection=Gimp.Selection.none)


@case
def everything_selected():
    return filled(*picture(), selection=Gimp.Selection.all)


@case
def feathered():
    def soft(image):
        select(image)
        Gimp.Selection.feather(image, 8)

    return filled(*picture(), selection=soft, feather=7)


@case
def ellipse():
    def smooth(image):
        image.select_ellipse(Gimp.ChannelOps.REPLACE, 30, 25, 30, 24)

    return filled(*picture(), selection=smooth, feather=0)


@case
def in_a_group():
    image, _ = picture()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = layer_in(image, name="child", parent=group)
    layer_in(image, 10, 10, name="above", parent=group)
    return filled(image, layer)


@case
def a_group():
    image, _ = picture()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer_in(image, name="child", parent=group)
    return filled(image, group)


@case
def an_empty_group():
    image, _ = picture()
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    return filled(image, group)


@case
def layer_mask():
    image, layer = picture()
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    select(image)
    return filled(image, layer, drawables=image.get_selected_drawables())


@case
def a_channel():
    image, layer = picture()
    channel = Gimp.Channel.new(image, "channel", WIDTH, HEIGHT, 50.0, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    return filled(image, layer, drawables=[channel])


@case
def floating_selection():
    image, layer = picture()
    select(image)
    Gimp.Selection.float(image, [layer], 2, 2)
    return filled(image, layer, drawables=image.get_selected_drawables(), selection=lambda image: None)


@case
def several_layers():
    image, layer = picture()
    return filled(image, layer, drawables=[layer, layer_in(image)])


@case
def no_layer():
    return filled(*picture(), drawables=[])


@case
def text_layer():
    image, _ = picture()
    layer = Gimp.TextLayer.new(image, "Aa", Gimp.fonts_get_list("")[0], 60, Gimp.Unit.pixel())
    image.insert_layer(layer, None, 0)
    return filled(image, layer, selection=lambda image: select(image, 15, 25, 12, 12))


@case
def locked_layer():
    image, layer = picture()
    layer.set_lock_content(True)
    layer.set_lock_position(True)
    return filled(image, layer)


@case
def hidden_layer():
    image, layer = picture()
    layer.set_visible(False)
    return filled(image, layer)


@case
def erased_surroundings():
    """What was erased keeps its colours, which must not come back: left of the hole red was erased."""
    image, layer = picture()
    rows = (b"\xff\x00\x00\x00" * 30 + b"\x10\x20\x30\xff" * (WIDTH - 30)) * HEIGHT
    write(layer, rows)
    facts = filled(image, layer)
    pixels = read(image.get_layers()[0])
    return facts | {"reddest": max(pixels[0::4])}


@case
def all_erased():
    image, layer = picture()
    write(layer, b"\xff\x00\x00\x00" * (WIDTH * HEIGHT))
    return filled(image, layer)


@case
def bright_float():
    """Values above 1, below 0, and none."""
    image, layer = picture(depth=Depth.FLOAT_LINEAR)
    values = memoryview(bytearray(16 * WIDTH * HEIGHT)).cast("f")
    for index in range(0, len(values), 4):
        values[index], values[index + 1], values[index + 2], values[index + 3] = 5.0, -1.0, float("nan"), 1.0
    write(layer, values.tobytes(), "RGBA float")
    return filled(image, layer)


@case
def saved():
    image, _ = picture()
    path = Gio.File.new_for_path(str(OUT / "saved.xcf"))
    Gimp.file_save(Mode.NONINTERACTIVE, image, path, None)
    loaded = Gimp.file_load(Mode.NONINTERACTIVE, path)
    return filled(loaded, loaded.get_layers()[0])


def avoiding(image, layer, **arguments):
    """Left of the hole everything is red; whether the fill is."""
    rows = (b"\xff\x00\x00\xff" * 40 + b"\x10\x20\x30\xff" * (WIDTH - 40)) * HEIGHT
    write(layer, rows)
    facts = filled(image, layer, **arguments)
    result = image.get_layers()[0]
    return facts | ({"reddest": max(read(result)[0::4])} if facts["status"] == "success" else {})


@case
def avoid_nothing():
    return avoiding(*picture())


@case
def avoid_a_channel():
    image, layer = picture()
    channel = Gimp.Channel.new(image, "avoid", WIDTH, HEIGHT, 50.0, Gegl.Color.new("red"))
    image.insert_channel(channel, None, 0)
    write(channel, (b"\xff" * 48 + b"\x00" * (WIDTH - 48)) * HEIGHT, "Y u8")
    return avoiding(image, layer, avoid="named")


@case
def avoid_a_path():
    image, layer = picture()
    path = Gimp.Path.new(image, "avoid")
    image.insert_path(path, None, 0)
    corners = [(0, 0), (48, 0), (48, HEIGHT), (0, HEIGHT)]
    points = [float(value) for corner in corners for value in corner * 3]
    path.stroke_new_from_points(Gimp.PathStrokeType.BEZIER, points, True)
    return avoiding(image, layer, avoid="named")


@case
def avoid_what_is_not_there():
    return avoiding(*picture(), avoid="named")


@case
def avoid_a_region_that_is_not_there():
    return avoiding(*picture(), avoid="last-region")


tell()
