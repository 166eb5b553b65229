import pytest
from hypothesis import given
from hypothesis import strategies as st
from inpaint_lens.imaging.errors import InputError
from inpaint_lens.training.feedback.texts import (
    DIMENSIONS,
    LANGUAGES,
    PRESETS,
    RULES,
    Entry,
    dimension_of,
    find,
    improving,
    opposite,
    preset,
    preset_target,
    with_opposite,
)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("face A is not clear", "face A is clear"),
        ("face A is clear", "face A is not clear"),
        ("the hair is blurred", "the hair is sharp"),
        ("the sky has noise", "the sky has no noise"),
        ("the sky has no noise", "the sky has noise"),
        ("there is noise in the sky", "there is no noise in the sky"),
        ("there are scratches on the wall", "there are no scratches on the wall"),
        ("the picture is incomplete", "the picture is complete"),
        ("the left corner is missing", "the left corner is not missing"),
        ("the car isn't red", "the car is red"),
        ("脸部不清晰", "脸部清晰"),
        ("脸部清晰", "脸部不清晰"),
        ("天空有噪点", "天空没有噪点"),
        ("天空没有噪点", "天空有噪点"),
        ("墙上有划痕", "墙上没有划痕"),
        ("画面不完整", "画面完整"),
    ],
)
def test_the_opposite_says_what_would_be_false(text, other):
    assert opposite(text) == other


@pytest.mark.parametrize(
    ("fault", "praise", "target"),
    [
        ("hair is not clear", "hair is clear", "hair clear"),
        ("the hair isn't very clear", "The hair is clear.", "hair clear"),
        ("face A is not clear", "face A is clear", "face A clear"),
        ("there is noise in the sky", "there is no noise in the sky", "sky no noise"),
        ("the wall has scratches", "the wall has no scratches", "wall no scratches"),
        ("the hat is blurry", "the hat is sharp", "hat sharp"),
        ("头发不清晰", "头发清晰", "头发清晰"),
        ("天空有噪点", "天空没有噪点", "天空没有噪点"),
    ],
)
def test_negated_feedback_gives_the_same_target_as_its_positive_form(fault, praise, target):
    assert improving(fault) == improving(praise) == target


@given(st.sampled_from(RULES), st.sampled_from(["hair", "face B", "left window", "头发", "天空"]))
def test_every_rule_turns_into_another_quality_and_asks_for_the_better(rule, subject):
    for phrase in (rule.good, rule.bad):
        text = f"{subject} {phrase}"
        before, after = find(text), find(opposite(text))
        assert before is not None and after is not None
        assert before.good != after.good and before.rule.dimension == after.rule.dimension == rule.dimension
    target = find(improving(f"{subject} {rule.bad}"))
    assert target is not None and target.good


@given(st.sampled_from(RULES), st.sampled_from(["hair is", "the face is", "头发"]))
def test_the_target_of_a_target_is_itself(rule, subject):
    once = improving(f"{subject} {rule.bad}")
    assert improving(once) == once


def test_the_opposite_has_the_other_class():
    assert with_opposite("hair is clear", 1) == (Entry("hair is clear", 1), Entry("hair is not clear", 0))


def test_a_text_without_a_known_opposite_stands_alone():
    assert with_opposite("bicycle", 1) == (Entry("bicycle", 1),)


@pytest.mark.parametrize("label", [None, 2, -1, True, "1"])
def test_a_label_without_a_class_is_refused(label):
    with pytest.raises(InputError, match="give 1 if it describes the picture truly, else 0"):
        Entry("hair is clear", label)


@pytest.mark.parametrize("text", ["", "  ", "?!", "。"])
def test_a_text_without_words_is_refused(text):
    with pytest.raises(InputError, match="no words"):
        improving(text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_presets_say_the_truth_of_good_and_of_faulty_pictures(language, dimension):
    assert dimension_of(PRESETS[language][dimension]) == dimension
    bad, good = (preset(language, [dimension], good=good) for good in (False, True))
    assert [entry.words for entry in bad] == [entry.words for entry in good]
    assert [entry.label for entry in bad] == [1, 0] and [entry.label for entry in good] == [0, 1]
    target = find(preset_target(language, dimension))
    assert target is not None and target.good
