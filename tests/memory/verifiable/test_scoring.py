from aloe.memory.verifiable.generation import generate
from aloe.memory.verifiable.scoring import check_wishes, measure_satisfaction


def test_silence_satisfies_nobody() -> None:
    wishes = generate(0).preferences
    assert measure_satisfaction(wishes, "  ") == 0.0
    for reply in ("", " \n"):
        assert check_wishes(wishes, reply) == dict.fromkeys(wishes, False)


def test_what_nobody_sees_keeps_no_wish() -> None:
    assert check_wishes({"paragraphs": "several"}, "Sow in May.\n\n") == {"paragraphs": False}
    assert check_wishes({"paragraphs": "one"}, "\n \nSow in May.\n\n") == {"paragraphs": True}


def test_marks_of_lists_and_emphasis_are_no_words_and_end_no_sentence_early() -> None:
    long = " ".join(["word"] * 17) + "."
    for mark in ("{}. ", "{}) ", "- ", "* ", "\u2022 "):
        items = "\n".join(mark.format(number) + long for number in (1, 2, 12))
        assert check_wishes({"sentences": "long"}, items) == {"sentences": True}, mark
    short = "**Start small.** Pick one drawer and one shelf for today. *Then stop.* Rest well."
    assert check_wishes({"sentences": "short"}, short) == {"sentences": True}
    said = "He said \u201cgo home now, all of you.\u201d I went there on foot in the rain."
    assert check_wishes({"sentences": "short"}, said) == {"sentences": True}
