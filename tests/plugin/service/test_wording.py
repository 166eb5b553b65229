import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import InputError, LensError, WeightsError
from inpaint_lens.plugin.service.wording import told, without_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'/home/some one/my photo.png' is empty.", "'my photo.png' is empty."),
        ("see /etc/passwd, or ~/.cache/x/model.pt", "see passwd, or model.pt"),
        (r"C:\Users\me\w.pt is damaged", "w.pt is damaged"),
        ("file:///etc/shadow", "shadow"),
        ("the folder '/srv/data/' is full", "the folder 'data' is full"),
        ("get it at https://example.org/a/b and try again", "get it at https://example.org/a/b and try again"),
        ("8-bit and/or 16-bit, 1 / 2, 3/4", "8-bit and/or 16-bit, 1 / 2, 3/4"),
    ],
)
def test_paths_are_cut_down_to_their_last_name(text, shown):
    assert without_paths(text) == shown


@given(st.lists(st.text("abcXYZ019._-", min_size=1), min_size=2, max_size=5))
def test_no_folder_of_a_path_is_ever_told(parts):
    assert without_paths(f"'/{'/'.join(parts)}' is damaged.") == f"'{parts[-1]}' is damaged."
    assert without_paths(f"It lies at /{'/'.join(parts)}") == f"It lies at {parts[-1]}"


def test_an_error_keeps_its_kind():
    assert isinstance(told(WeightsError("'/a/b.pt' is damaged")), WeightsError)


def test_an_error_of_a_kind_that_others_made_is_told_as_ours():
    class Their(InputError):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"/tmp/{one} is not /tmp/{two}")

    assert (type(told(Their(1, 2))), str(told(Their(1, 2)))) == (InputError, "1 is not 2")


def test_other_errors_tell_nothing():
    assert "secret" not in str(told(RuntimeError("secret"))) and type(told(OSError("/x"))) is LensError
