import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe.benchmark.cases import SUITES, load_cases
from aloe.benchmark.gold_pairs import read_gold
from aloe.memory.descriptions import read_seeds
from aloe.memory.personas import SHIPPED, read_personas
from aloe.sentences import finished, sentences


def at_every_mark(text: str) -> tuple[str, ...]:
    """Return the pieces of a text whose full stops all end sentences."""
    pieces = re.split(r"(?<=[.!?])[\"')\]]*\s+|\s*\n+\s*", text.strip())
    return tuple(piece.strip() for piece in pieces if piece.strip())


def test_the_facts_of_all_that_is_shipped_stay() -> None:
    personas = [*read_personas(SHIPPED)]
    personas += [case.persona for suite in SUITES for case in load_cases(suite)]
    texts = {text for p in personas for text in (p.profile, p.personality)}
    texts |= {d.text for seeds in read_seeds(None).values() for d in seeds}
    for pair in read_gold():
        texts |= {pair.persona.profile, pair.persona.personality, *pair.history, pair.message}
        texts |= {pair.better, pair.worse}
    assert len(texts) > 7000
    assert [text for text in texts if sentences(text) != at_every_mark(text)] == []


OTHER_SCRIPTS = [
    "我叫李雷。|我住在北京！|你呢？",  # noqa: RUF001
    "我三十岁。|我喜欢“足球。”然后走了。|他说：“好！”",  # noqa: RUF001
    "私は東京に住んでいます。|「元気？」と聞いた。",  # noqa: RUF001
    "मैं दिल्ली में रहता हूँ।|मैं शिक्षक हूँ।",
    "أنا طبيب.|هل تحب القهوة؟|نعم.",
    "میں لاہور میں ہوں۔|میں استاد ہوں۔",  # noqa: RUF001
    "ես ուսուցիչ եմ։|ապրում եմ Երևանում։",  # noqa: RUF001
    "እኔ አስተማሪ ነኝ።|አዲስ አበባ እኖራለሁ።",
]


@pytest.mark.parametrize(
    "text",
    [
        *OTHER_SCRIPTS,
        "I work for Dr. Smith, like Dr. Who.|I like him.",
        "Prof. Ada Byron and St. Gallen, Mt. Fuji and Ms. Lee.|I live on Main St.|I am a Dr.",
        "I eat fruit, e.g. apples, i.e. plums, nuts etc. and bread, etc.|I cook.",
        "George W. Bush met J. K. Rowling and J.R.R. Tolkien.|So do I.|Mary, too.",
        "I take vitamin C.|I live in the U.S.|My U.S. Army time is over, i.e. Mary left.",
        "I rise at 5 a.m. every day.|At 5 a.m.|Then I run.",
        "Ich esse z.B. Birnen, z. B. Äpfel, d. h. Obst.|Am 3. Mai bin ich ca. 30 Jahre.",
        "I live at No. 5, flat no. 7.|I said no.|It cost 3.50 euros.",
        "i am 30.|i like bees.|my mom is a dr.|she works with dr. smith etc.|i do too.",
        "Well...|I do.|I am 61.|40 years ago I left.",
    ],
)  # fmt: skip
def test_where_sentences_end(text: str) -> None:
    expected = tuple(text.split("|"))
    assert sentences(" ".join(expected)) == expected
    assert text not in OTHER_SCRIPTS or sentences("".join(expected)) == expected or "." in text
    assert sentences("\n".join(expected)) == expected


PIECES = "I am Dr. e.g. z. B. St. U.S. no. 5 3. Mai J. a.m. sail 我叫。 ？ “好。” etc. Wow! so?"  # noqa: RUF001


@given(st.lists(st.sampled_from(PIECES.split())))
def test_pieces_together_are_the_text(words: list[str]) -> None:
    text = " ".join(words)
    assert "".join("".join(sentences(text)).split()) == "".join(words)


@pytest.mark.parametrize("emoji", ["\u23f0", "\u2b06\ufe0f", "1\ufe0f\u20e3", "\u2705", "\u2713"])
def test_an_emoji_behind_the_last_mark_belongs_to_what_is_finished(emoji: str) -> None:
    assert finished(f"Wake up! {emoji} And th") == f"Wake up! {emoji}"
