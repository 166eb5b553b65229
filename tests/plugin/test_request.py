import pytest
from inpaint_lens.imaging.box import Box
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.plugin.request import ExplainOptions, FillOptions, Target


def test_a_target_is_read_with_or_without_blanks():
    assert Target.parse("320, 200,64") == Target(320, 200, 64)


@pytest.mark.parametrize("text", ["", "1,2", "1,2,0", "-1,2,3", "a,b,c", "1,2,3,4", "1.5,2,3"])
def test_anything_else_is_no_target(text):
    with pytest.raises(InputError, match="X,Y,SIZE"):
        Target.parse(text)


@pytest.mark.parametrize("numbers", [(1, 2, 0), (1.5, 2, 3), ("1", 2, 3)])
def test_a_target_needs_whole_pixels(numbers):
    with pytest.raises(InputError, match="whole pixels"):
        Target(*numbers)


def test_a_target_is_a_square_around_its_point_cut_at_the_border():
    assert Target(10, 20, 6).box((100, 100)) == Box(17, 7, 6, 6)
    assert Target(0, 0, 6).box((100, 100)) == Box(0, 0, 3, 3)
    assert 0 in Target(200, 200, 6).box((100, 100)).size


@pytest.mark.parametrize("options", [{"grow_px": -1}, {"feather_px": 5000}, {"context_px": -3}, {"grow_px": 1.5}])
def test_a_width_out_of_range_is_refused_by_its_name(options):
    with pytest.raises(InputError, match=f"--{next(iter(options)).removesuffix('_px')} is"):
        FillOptions(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "path-ig"),
        ({"smooth": "sandpaper"}, "gaussian"),
        ({"steps": 1}, "from 2 to 4096"),
        ({"steps": "many"}, "from 2 to 4096"),
        ({"steps": 8.5}, "from 2 to 4096"),
        ({"tolerance_percent": 0}, "above 0"),
        ({"tolerance_percent": float("nan")}, "above 0"),
        ({"region_share": 1}, "between 0 and 1"),
    ],
)
def test_an_option_out_of_range_is_refused_with_what_was_expected(options, words):
    with pytest.raises(InputError, match=words):
        ExplainOptions(**options)
