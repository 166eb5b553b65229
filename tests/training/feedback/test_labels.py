import time
from contextlib import contextmanager
from threading import Thread

import pytest
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.feedback.manifest import write_manifest
from inpaint_lens.training.feedback.prompts import Prompts
from inpaint_lens.training.feedback.tables import TargetRow
from inpaint_lens.training.feedback.tokens import LENGTH, encode
from sqlalchemy import event, select

from .conftest import changed, drawing


def of_kind(task, kind, index=0):
    return task.third_samples(kind)[index]


def test_an_entry_and_its_opposite_are_stored_with_their_classes(task):
    task.say(of_kind(task, "first").id, "face A is not clear", 1)
    texts = {text.words: (text.label, text.source) for text in of_kind(task, "first").texts}
    assert texts == {"face A is not clear": (1, "user"), "face A is clear": (0, "opposite")}


def test_saying_the_contrary_later_turns_both_classes_round(task):
    for label in (1, 0):
        task.say(of_kind(task, "first").id, "face A is not clear", label)
    assert {text.words: text.label for text in of_kind(task, "first").texts} == {
        "face A is not clear": 0,
        "face A is clear": 1,
    }


def test_a_label_without_a_class_is_refused(task):
    with pytest.raises(InputError, match="has no class"):
        task.say(of_kind(task, "first").id, "face is clear", None)


def test_words_about_a_sample_that_is_not_there_are_refused(task):
    with pytest.raises(InputError, match="no third sample 999"):
        task.say(999, "face is clear", 1)


def test_a_picture_without_words_gets_presets_that_fit_it(task):
    for row in task.third_samples():
        blurred, good = row.pair.degradation == "blur", row.kind == "second"
        fault, praise = (
            ("picture is not clear", "picture is clear") if blurred else ("picture has noise", "picture has no noise")
        )
        entries = {entry.words: entry.label for entry in task.labels.entries(row)}
        assert entries == {fault: int(not good), praise: int(good)}


def test_a_text_can_be_taken_back(task):
    row = of_kind(task, "second")
    task.say(row.id, "hair is clear", 1)
    for text in of_kind(task, "second").texts:
        task.forget(text.id)
    assert of_kind(task, "second").texts == []


def test_a_text_longer_than_the_encoder_takes_is_refused():
    with pytest.raises(InputError, match="has 40 words and the encoder takes 32"):
        encode("hair " * 40)


def test_too_long_a_text_is_not_stored(task):
    with pytest.raises(InputError, match="the encoder takes 32"):
        task.say(of_kind(task, "first").id, "hair " * 40 + "is clear", 1)
    assert of_kind(task, "first").texts == []


@pytest.mark.parametrize("index", range(8))
def test_too_long_a_text_stops_the_third_training_before_it_starts(task, index):
    task.labels.say(of_kind(task, "first", index).id, "hair " * 40 + "is clear", 1)
    with pytest.raises(InputError, match="the encoder takes 32"):
        task.prepare("third")


def test_tokens_are_the_same_with_and_without_words_that_say_nothing():
    assert encode("the hair is clear").tolist() == encode("hair clear").tolist()
    assert encode("hair not clear").tolist() != encode("hair clear").tolist()
    assert encode("头发清晰").shape == (LENGTH,) and encode("头发清晰").count_nonzero() == 4 + 3


def prompts(task, seconds=0.0, **more):
    return Prompts(task.board, task.labels, seconds, encode, **more)


def test_linked_words_come_before_the_preset_and_are_turned_to_the_better(task):
    first, second = task.library.pairs()[:2]
    task.say(of_kind(task, "first", 0).id, "the hair is not clear", 1)
    assert prompts(task).words([first.id, second.id]) == ["hair clear", "picture no noise"]


def test_words_about_a_prediction_come_before_those_about_its_first_sample(task):
    pair = task.library.pairs()[0]
    task.library.add_prediction(pair.id, drawing(1, 32), "first", 1, {}, final=True)
    task.say(of_kind(task, "prediction").id, "the hat is not clear", 1)
    task.say(of_kind(task, "first").id, "the hair is not clear", 1)
    assert prompts(task).words([pair.id]) == ["hat clear"]


@contextmanager
def asked(task, seconds):
    """A worker asks about the first pair; inside, the question is there. Gives what the worker gets in the end."""
    changed(task, countdown_seconds=seconds)
    pair, found = task.library.pairs()[0], []
    asking = Thread(target=lambda: found.extend(prompts(task, seconds).words([pair.id])))
    asking.start()
    until = time.monotonic() + 10
    while not task.questions() and time.monotonic() < until:
        time.sleep(0.01)
    yield pair.id, found
    asking.join(10)
    assert task.questions() == []


def test_a_person_may_answer_while_the_countdown_runs(task):
    with asked(task, 20) as (pair, found):
        (question,) = task.questions()
        assert question.pair == pair and 0 < question.seconds_left <= 20 and not question.writing
        task.answer(pair, "the hair is blurred")
    assert found == ["hair sharp"]


def test_the_countdown_waits_for_who_writes_and_begins_anew_where_nothing_is_left(task):
    with asked(task, 20) as (pair, found):
        task.writing(pair, "the h")
        assert task.board.target(pair).deadline > time.time() + 500 and task.questions()[0].writing
        task.writing(pair, " ")
        assert time.time() + 10 < task.board.target(pair).deadline <= time.time() + 20
        assert not task.questions()[0].writing
        task.answer(pair, "the hair is blurred")
    assert found == ["hair sharp"]


def test_writing_about_what_is_settled_asks_nothing_again(task):
    pair = task.library.pairs()[0].id
    prompts(task).words([pair])
    task.writing(pair, "the hair")
    assert task.questions() == [] and task.board.target(pair).state == "settled"


def test_after_the_countdown_the_preset_is_taken(task):
    pair = task.library.pairs()[0]
    assert prompts(task, 0.05).words([pair.id]) == ["picture clear"]
    assert task.board.target(pair.id).source == "preset"


def test_nobody_is_asked_by_a_run_that_is_to_end(task):
    pair = task.library.pairs()[0]
    assert prompts(task, 60, stopping=lambda: True).words([pair.id]) == ["picture clear"]
    assert task.board.target(pair.id).state == "open"


def test_a_text_that_was_settled_can_still_be_edited(task):
    pair = task.library.pairs()[0]
    asking = prompts(task)
    asking.words([pair.id])
    task.answer(pair.id, "the sky has noise")
    assert asking.words([pair.id]) == ["sky no noise"]


def test_an_answer_to_what_nobody_asked_is_refused(task):
    with pytest.raises(InputError, match="Nothing is asked about pair"):
        task.answer(task.library.pairs()[0].id, "hair is not clear")


def test_labelled_pairs_come_first_in_the_second_training(task):
    last = [row for row in task.library.pairs() if not row.held_out][-1]
    third = next(row for row in task.third_samples("first") if row.pair_id == last.id)
    task.say(third.id, "the hair is not clear", 1)
    manifest = write_manifest(task.library, task.labels, task.settings, "second")
    assert manifest["leading"] == 1 and manifest["train"][0]["pair"] == last.id
    assert task.samples("second")[0].pair == last.id and task.samples("second")[0].labelled


def test_presets_are_chinese_where_the_task_is(task):
    session = changed(task, language="zh")
    session.labels.language = "zh"
    assert prompts(session).words([session.library.pairs()[0].id]) == ["画面清晰"]


def test_what_is_settled_without_a_person_is_never_an_open_question(task):
    states: list[str] = []
    event.listen(task.library.engine, "commit", lambda connection: states.extend(_states(connection)))
    prompts(task).words([pair.id for pair in task.library.pairs()])
    assert set(states) == {"settled"}


def _states(connection) -> list[str]:
    return list(connection.execute(select(TargetRow.state)).scalars())
