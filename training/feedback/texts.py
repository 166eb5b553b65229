"""Words about quality: what they say of a picture, their opposite, and the text that asks for something better.

A rule knows two phrases of one dimension of quality, a good and a bad one, in English or Chinese. A text that has
neither is turned round by its own negation (`is not blue`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...imaging.errors import InputError

DIMENSIONS = ("sharpness", "noise", "scratches", "missing parts")
LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Rule:
    """Two phrases that exclude one another.

    Attributes:
        dimension: of quality.
        good, bad: the phrases; each is the opposite of the other.
        short: the phrase that a target text ends with.
    """

    dimension: str
    good: str
    bad: str
    short: str = ""

    @property
    def target(self) -> str:
        """What a target text says."""
        return self.short or self.good


def _of(dimension: str, short: str, *phrases: tuple[str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(dimension, good, bad, short) for good, bad in phrases)


RULES: tuple[Rule, ...] = (
    *_of("sharpness", "clear", ("clear", "not clear"), ("clear", "unclear")),
    *_of("sharpness", "clear", ("clearly visible", "not clearly visible")),
    *_of("sharpness", "sharp", ("sharp", "not sharp"), ("sharp", "blurred"), ("sharp", "blurry"), ("sharp", "unsharp")),
    *_of("sharpness", "sharp", ("not blurred", "blurred"), ("not blurry", "blurry"), ("without blur", "with blur")),
    *_of("sharpness", "sharp", ("no blur", "blur"), ("in focus", "out of focus"), ("in focus", "not in focus")),
    *_of("noise", "no noise", ("without noise", "with noise"), ("free of noise", "full of noise")),
    *_of("noise", "no noise", ("no noise", "noise"), ("not noisy", "noisy"), ("no grain", "grain")),
    *_of("noise", "no noise", ("clean", "not clean"), ("not grainy", "grainy")),
    *_of("scratches", "no scratches", ("without scratches", "with scratches"), ("unscratched", "scratched")),
    *_of("scratches", "no scratches", ("not scratched", "scratched"), ("no scratches", "scratches")),
    *_of("scratches", "no scratches", ("no scratch", "scratch"), ("free of scratches", "full of scratches")),
    *_of("missing parts", "complete", ("complete", "not complete"), ("complete", "incomplete")),
    *_of("missing parts", "complete", ("without missing parts", "with missing parts"), ("not missing", "missing")),
    *_of("missing parts", "complete", ("no missing parts", "missing parts"), ("without holes", "with holes")),
    *_of("missing parts", "complete", ("no holes", "holes"), ("no hole", "hole"), ("intact", "not intact")),
    *_of("sharpness", "清晰", ("清晰", "不清晰"), ("清晰", "不够清晰"), ("清晰", "模糊"), ("不模糊", "模糊")),
    *_of("sharpness", "清楚", ("清楚", "不清楚"), ("清楚", "不够清楚")),
    *_of("noise", "没有噪点", ("没有噪点", "有噪点"), ("无噪点", "有噪点"), ("没有噪声", "有噪声")),
    *_of("noise", "没有噪点", ("无噪声", "有噪声")),
    *_of("scratches", "没有划痕", ("没有划痕", "有划痕"), ("无划痕", "有划痕"), ("没有刮痕", "有刮痕")),
    *_of("missing parts", "完整", ("完整", "不完整"), ("完整", "残缺"), ("没有缺失", "有缺失"), ("没有缺失", "缺失")),
    *_of("missing parts", "完整", ("没有破洞", "有破洞"), ("没有缺损", "有缺损"), ("没有缺损", "缺损")),
)
"""The first rule whose phrase a text has is the one for turning that phrase round."""

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_FILLERS = re.compile(
    r"\b(?i:there|is|are|was|were|looks?|seems?|appears?|has|have|still|very|too|quite|rather|a bit|a little|some|"
    r"the|in|on|of|with|at|its?|any)\b|\ban?\b|^An?\b"
)
"""Words that a target text goes without; a capital A within a text is a name."""
_CHINESE_FILLERS = re.compile(r"[的是很太还得上里中，。！]|仍然|有点|有些|看起来|非常")
_CONTRACTIONS = ((r"\b(is|are|was|were|does|do)n['’]t\b", r"\1 not"), (r"\b(does|do) not have\b", "has no"))


@dataclass(frozen=True)
class Finding:
    """What a text says of quality.

    Attributes:
        rule: by which it is known.
        good: whether it praises.
        start, end: where the phrase is in the text.
    """

    rule: Rule
    good: bool
    start: int
    end: int


def plain(text: str) -> str:
    """A text with single blanks, without contractions and the full stop.

    Raises:
        InputError: there are no words in it.
    """
    text = " ".join(text.split())
    for pattern, whole in _CONTRACTIONS:
        text = re.sub(pattern, whole, text, flags=re.IGNORECASE)
    text = text.strip(" .!。！")
    if not re.search(r"\w", text):
        raise InputError("The text has no words: say what is right or wrong, for example 'the face is not clear'.")
    return text


def find(text: str) -> Finding | None:
    """The longest phrase of a rule in a plain text; None where there is none."""
    best: Finding | None = None
    for rule in RULES:
        for phrase, good in ((rule.good, True), (rule.bad, False)):
            match = _pattern(phrase).search(text)
            if match and (best is None or len(match[0]) > best.end - best.start):
                best = Finding(rule, good, match.start(), match.end())
    return best


def _pattern(phrase: str) -> re.Pattern[str]:
    if _CHINESE.search(phrase):
        return re.compile(re.escape(phrase))
    words = r"\s+".join(re.escape(word) for word in phrase.split())
    # Words between a negation and what it negates do not change what is meant.
    words = re.sub(r"^(not)\\s\+", r"not\\s+(?:very\\s+|quite\\s+|really\\s+|so\\s+|yet\\s+)?", words)
    return re.compile(rf"\b{words}\b", re.IGNORECASE)


def opposite(text: str) -> str:
    """The text that is false where this one is true.

    Raises:
        InputError: no rule knows how to turn it round.
    """
    text = plain(text)
    found = find(text)
    if found:
        phrase = found.rule.bad if found.good else found.rule.good
        return " ".join((text[: found.start] + phrase + text[found.end :]).split())
    for pattern, other in ((r"\b(is|are) not\b", r"\1"), (r"\b(is|are)\b", r"\1 not"), ("不是", "是"), ("是", "不是")):
        turned, count = re.subn(pattern, other, text, count=1, flags=re.IGNORECASE)
        if count:
            return turned
    raise InputError(
        f"'{text}' has no opposite that is known: write that something is or is not so, such as 'hair is not clear'."
    )


def improving(text: str) -> str:
    """The target text in the improving direction, the same for praise and for the fault that it is the opposite of.

    `hair is not clear` and `hair is clear` both give `hair clear`.

    Raises:
        InputError: there are no words in it.
    """
    text = plain(text)
    found = find(text)
    if found:
        subject = _subject(text[: found.start] + " " + text[found.end :])
        joint = "" if _CHINESE.search(found.rule.target) else " "
        return f"{subject}{joint}{found.rule.target}".strip()
    positive = re.sub(r"\b(is|are) not\b", r"\1", text, flags=re.IGNORECASE).replace("不是", "是")
    return _subject(positive) or positive


def _subject(rest: str) -> str:
    rest = _FILLERS.sub(" ", rest)
    if _CHINESE.search(rest):
        return "".join(_CHINESE_FILLERS.sub("", rest).split())
    return " ".join(re.sub(r"[,;:.]", " ", rest).split())


def dimension_of(text: str) -> str:
    """The dimension of quality that a text is about, empty if none is known."""
    found = find(plain(text))
    return found.rule.dimension if found else ""


@dataclass(frozen=True)
class Entry:
    """A text with its class: 1 = describes the picture truly, 0 = does not."""

    words: str
    label: int

    def __post_init__(self) -> None:
        if isinstance(self.label, bool) or self.label not in (0, 1):
            raise InputError(
                f"The class of '{self.words}' is {self.label!r}: give 1 if it describes the picture truly, else 0."
            )


def with_opposite(words: str, label: int) -> tuple[Entry, ...]:
    """An entry and its opposite with the other class; the entry alone where no rule knows the opposite."""
    entry = Entry(plain(words), label)
    try:
        return entry, Entry(opposite(words), 1 - label)
    except InputError:
        return (entry,)


PRESETS: dict[str, dict[str, str]] = {
    "en": {
        "sharpness": "picture is not clear",
        "noise": "picture has noise",
        "scratches": "picture has scratches",
        "missing parts": "picture is incomplete",
    },
    "zh": {"sharpness": "画面不清晰", "noise": "画面有噪点", "scratches": "画面有划痕", "missing parts": "画面不完整"},
}
"""The fault of each dimension, said of a whole picture."""


def preset(language: str, faults: Sequence[str], good: bool) -> tuple[Entry, ...]:
    """The texts that a picture gets for want of others.

    Args:
        language: `en` or `zh`.
        faults: dimensions that the texts are about.
        good: whether the picture is free of these faults.

    Raises:
        InputError: there are no presets in that language.
    """
    if language not in PRESETS:
        raise InputError(f"There are no preset texts in '{language}': take one of {', '.join(PRESETS)}.")
    return tuple(entry for fault in faults for entry in with_opposite(PRESETS[language][fault], 0 if good else 1))


def preset_target(language: str, fault: str = "sharpness") -> str:
    """The target text for a picture for which nobody says anything."""
    return improving(PRESETS[language][fault])
