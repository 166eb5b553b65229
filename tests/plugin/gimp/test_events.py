import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.plugin.gimp.lens.events import events


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", []),
        (b"data: one\n\n", ["one"]),
        (b"data:one\r\n\r\n", ["one"]),
        (b"retry: 300\n\n: waiting\n\nid: 1\ndata: one\n\n", ["one"]),
        (b"data: one\ndata: two\n\n", ["one\ntwo"]),
        (b"data: one\n\ndata: cut sho", ["one"]),
        (b"data: one\n\ndata: no blank line\n", ["one"]),
    ],
)
def test_events_are_framed_by_blank_lines(text, found):
    assert list(events(io.BytesIO(text))) == found


@given(st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1), max_size=5))
def test_every_event_comes_once_and_in_order(texts):
    stream = "".join(f"id: 1\ndata: {text}\n\n: still here\n\n" for text in texts)
    assert list(events(io.BytesIO(stream.encode()))) == texts


def test_a_line_without_an_end_is_refused():
    with pytest.raises(ValueError, match="no end"):
        list(events(io.BytesIO(b"data: " + b"x" * 3_000_000)))
