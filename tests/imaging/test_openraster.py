import io
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.imaging.layers import Layer, flatten
from inpaint_lens.imaging.openraster import read_ora, write_ora
from inpaint_lens.imaging.reading import Limits
from PIL import Image

SIZE = (300, 400)
RNG = np.random.default_rng(0)
BASE = RNG.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
RESULT = Layer('Fill <lama> & "co"\x01', RNG.integers(0, 256, (20, 30, 4), dtype=np.uint8), (5, 7))
HEATMAP = Layer("Heatmap ü", RNG.integers(0, 256, (*SIZE, 4), dtype=np.uint8), (-3, 0), 0.6, "multiply")


@pytest.fixture
def ora(tmp_path):
    path = tmp_path / "x.ora"
    write_ora(path, SIZE, [RESULT, HEATMAP], base=BASE)
    return path


def archive_with(path, **entries: bytes):
    """An OpenRaster file of one layer with some of its entries put in place of the usual ones."""
    png = io.BytesIO()
    Image.new("RGBA", (4, 3), (1, 2, 3, 255)).save(png, "PNG")
    stack = b'<image w="4" h="3"><stack><layer name="a" src="data/a.png"/></stack></image>'
    usual = {"mimetype": b"image/openraster", "stack.xml": stack, "data/a.png": png.getvalue()}
    usual["mergedimage.png"] = png.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (usual | entries).items():
            archive.writestr(name, data)
    return path


def stack_naming(source: str) -> bytes:
    return f'<image w="4" h="3"><stack><layer name="a" src="{source}"/></stack></image>'.encode()


def test_the_mimetype_comes_first_and_uncompressed(ora):
    with zipfile.ZipFile(ora) as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        assert archive.read("mimetype") == b"image/openraster"
        assert archive.testzip() is None
    # Tools that sniff files look for it at this very place.
    assert ora.read_bytes()[30:54] == b"mimetypeimage/openraster"


def test_the_stack_lists_the_top_layer_first_with_place_opacity_and_operator(ora):
    with zipfile.ZipFile(ora) as archive:
        root = ElementTree.fromstring(archive.read("stack.xml"))
    assert (root.tag, root.get("w"), root.get("h")) == ("image", "400", "300")
    layers = [dict(node.attrib) for node in root.iterfind("stack/layer")]
    keys = ("name", "x", "y", "opacity", "composite-op")
    assert [tuple(layer[key] for key in keys) for layer in layers] == [
        ("Heatmap ü", "0", "-3", "0.6", "svg:multiply"),
        ('Fill <lama> & "co"', "7", "5", "1", "svg:src-over"),
        ("Picture", "0", "0", "1", "svg:src-over"),
    ]


def test_the_merged_picture_is_what_the_layers_flatten_to(ora):
    with zipfile.ZipFile(ora) as archive, Image.open(archive.open("mergedimage.png")) as merged:
        assert np.array_equal(np.asarray(merged), flatten([RESULT, HEATMAP], SIZE, BASE))


def test_the_thumbnail_keeps_the_shape_within_256_pixels(ora):
    with zipfile.ZipFile(ora) as archive, Image.open(archive.open("Thumbnails/thumbnail.png")) as thumbnail:
        assert thumbnail.size == (256, 192)


def test_layers_come_back_as_they_were(ora):
    file = read_ora(ora)
    assert file.size == SIZE
    bottom, result, heatmap = file.layers
    assert np.array_equal(bottom.pixels[..., :3], BASE)
    for back, layer in ((result, RESULT), (heatmap, HEATMAP)):
        assert np.array_equal(back.pixels, layer.pixels)
        assert (back.offset, back.opacity, back.blend_mode) == (layer.offset, layer.opacity, layer.blend_mode)
    assert np.array_equal(file.merged, flatten(file.layers, SIZE))


def test_the_same_layers_give_the_same_bytes(ora, tmp_path):
    write_ora(tmp_path / "again.ora", SIZE, [RESULT, HEATMAP], base=BASE)
    assert (tmp_path / "again.ora").read_bytes() == ora.read_bytes()


def test_an_existing_file_is_kept_unless_asked(ora):
    before = ora.read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        write_ora(ora, SIZE, [RESULT])
    assert ora.read_bytes() == before


def test_the_name_must_end_in_ora(tmp_path):
    with pytest.raises(InputError, match=r"end in \.ora"):
        write_ora(tmp_path / "x.zip", SIZE, [RESULT])


def test_a_file_without_layers_is_not_written(tmp_path):
    with pytest.raises(InputError, match="at least one layer"):
        write_ora(tmp_path / "x.ora", SIZE, [])
    assert list(tmp_path.iterdir()) == []


def test_groups_add_their_place_and_hidden_layers_are_left_out(tmp_path):
    stack = b"""<image w="4" h="3"><stack>
        <stack x="2" y="1"><layer name="top" src="data/a.png" x="1" y="1"/></stack>
        <layer name="hidden" src="data/a.png" visibility="hidden"/>
        <layer name="bottom" src="data/a.png"/>
    </stack></image>"""
    file = read_ora(archive_with(tmp_path / "x.ora", **{"stack.xml": stack}))
    assert [(layer.name, layer.offset) for layer in file.layers] == [("bottom", (0, 0)), ("top", (2, 3))]


@pytest.mark.parametrize(
    "source", ["../secret.png", "/etc/secret.png", "data/../../x.png", "C:\\x.png", "file:///x.png"]
)
def test_a_source_outside_of_the_archive_is_refused(tmp_path, source):
    path = archive_with(tmp_path / "x.ora", **{"stack.xml": stack_naming(source)})
    with pytest.raises(InputError, match="outside of itself"):
        read_ora(path)


def test_a_source_that_is_not_there_is_damage(tmp_path):
    path = archive_with(tmp_path / "x.ora", **{"stack.xml": stack_naming("data/b.png")})
    with pytest.raises(InputError, match="damaged"):
        read_ora(path)


def test_xml_entities_are_refused(tmp_path):
    bomb = b'<!DOCTYPE image [<!ENTITY a "aaaa">]><image w="4" h="3"><stack/></image>'
    with pytest.raises(InputError, match="entities"):
        read_ora(archive_with(tmp_path / "x.ora", **{"stack.xml": bomb}))


def test_an_entry_that_unpacks_to_too_much_is_refused(tmp_path):
    path = archive_with(tmp_path / "x.ora", **{"data/a.png": bytes(100_000)})
    with pytest.raises(InputError, match="unpacks to more"):
        read_ora(path, Limits(max_bytes=50_000))


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "x.ora"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.ora"):
        read_ora(path)


def test_a_zip_of_another_kind_is_refused(tmp_path):
    path = archive_with(tmp_path / "x.ora", mimetype=b"application/x-krita")
    with pytest.raises(InputError, match="not an OpenRaster file"):
        read_ora(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"missing\.ora"):
        read_ora(tmp_path / "missing.ora")
