"""What stands around a message goes; what belongs to it stays."""

import time
import timeit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe.models.markup import holds_marks, message_in

KEPT = [
    "A",
    "Hello. I keep bees.",
    "I don't know, the dogs' home is \"open\".",
    '"Yes" or "no"',
    "\u201cYes,\u201d he said, \u201cno.\u201d",
    "'Yes,' he said, 'no.'",
    "\u00abOui\u00bb ou \u00abnon\u00bb",
    "'Tis the dogs'",
    "'90s music and the boys'",
    'It is 6"',
    '"',
    "''",
    "Write `[INST]` first.",
    "What does <|im_end|> mean?",
    "ChatML writes <|im_start|>user before a turn, and <|im_end|> after it.",
    "Phi writes <|user|> before a turn, Mistral wraps it in [INST] and [/INST] instead.",
    "Use `<think>` to open, `</think>` to close.",
    'The tag "<think>" opens, "</think>" closes.',
    "Like so:\n```\n<|im_start|>user\nHi<|im_end|>\n```\nThat is all.",
    "Like so:\n```xml\n<think>\nhm\n</think>\n```\nThat is all.",
    "```python\nprint(1)\n```",
    "```\na\n```\nand\n```\nb\n```",
    "First:\n```\na\n```",
    "Was <s>20</s>, is 15",
    "<s>20</s> 15 euros",
    "It was <s>20</s>",
    "<b>Bold</b> and <https://example.org> and [link](x) and x < y > z",
    "[1] A footnote [2]",
    "I think, therefore I reason.",
    "Assistant professors earn less.",
    "analysis of Alpha",
    "An element: <answer>4</answer>, say.",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_belongs_to_a_message_stays(text: str) -> None:
    assert message_in(text) == text
    assert message_in(message_in(text)) == text
    assert not holds_marks(text)


WRAPPED = [
    ('"Hello."', "Hello."),
    ("\u201cHello.\u201d", "Hello."),
    ('\u201cHello."', "Hello."),
    ("\u201eHallo.\u201c", "Hallo."),
    ("\u00abBonjour.\u00bb", "Bonjour."),
    ("\u300c\u4f60\u597d\u300d", "\u4f60\u597d"),
    ("'I don't know.'", "I don't know."),
    ("\u2018I don\u2019t know.\u2019", "I don\u2019t know."),
    ("\u201cHe said \u201cno\u201d twice.\u201d", "He said \u201cno\u201d twice."),
    ('"Hello, I wanted to ask', "Hello, I wanted to ask"),
    ("```\nHello.\n```", "Hello."),
    ("```markdown\nHello.\n\n```py\nx\n```\nBye.\n```", "Hello.\n\n```py\nx\n```\nBye."),
    ("~~~text\nHello.\n~~~", "Hello."),
    ("```Hello.```", "Hello."),
    ("```\nHello, I wan", "Hello, I wan"),
    ('```\n"Hello."\n```', "Hello."),
    ("<answer>\nHello.\n</answer>", "Hello."),
    ("<response>Hello.", "Hello."),
]


@pytest.mark.parametrize(("text", "message"), WRAPPED)
def test_what_wraps_a_whole_message_goes(text: str, message: str) -> None:
    assert message_in(text) == message
    assert not holds_marks(text)  # nothing that a template would mistake


MARKED = [
    "Hello.<|im_end|>",
    "Hello. </s>",
    "<s> Hello.</s>",
    "<s>[INST] Hello. [/INST]",
    "<|im_start|>assistant\nHello.<|im_end|>\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>",
    "Hello.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd you?",
    "Hello.<|im_end|>\n<|im_start|>user\nAnd you?<|im_end|>",
    "<start_of_turn>model\nHello.<end_of_turn>",
    "Hello.<end_of_turn>\n<start_of_turn>user\nAnd you?",
    "Hello.</s>\n<|user|>\nAnd you?",
    "Hello.<|end|><|user|>And you?",
    "Hello.</s>[INST] And you? [/INST]",
    "Hello.<|endoftext|>The next document begins.",
    "<\uff5cAssistant\uff5c>Hello.<\uff5cend\u2581of\u2581sentence\uff5c>",
    "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>Hello.<|END_OF_TURN_TOKEN|>",
    "<|start_of_role|>assistant<|end_of_role|>Hello.<|end_of_text|>",
    "assistant\n\nHello.",
    "[gMASK]<sop><|assistant|>\nHello.",
    "<bos>Hello.<eos><pad><pad>",
    "<think>\n\n</think>\n\nHello.",
    "<think>hm",
    "hm</think>Hello.",
    "&lt;think&gt;hm&lt;/think&gt;Hello.",
    '<think type="deep">hm</think>Hello.',
    "<think>Shall I write `</think>`? No.</think>Hello.",
    "<think>```\nnot whole\n</think>Hello.\n<|im_end|>",
    "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Hello.<|END_RESPONSE|>",
    "<|begin_of_thought|>hm<|end_of_thought|>Hello.",
    "<|channel>thought\nhm<channel|>Hello.<turn|>",
    "<unused94>thought\nhm<unused95>Hello.",
    "<|inner_prefix|>hm<|inner_suffix|>Hello.<|assistant_end|>",
    "<|think|>hm<|end|><|begin|>assistant<|content|>Hello.<|flush|>",
    "<|content|>Hello.",
    "Here is my thought process: hm\n\nHere is my response: Hello.",
    "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final"
    "<|constrain|>json<|message|>Hello.<|return|>",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKED)
def test_marks_of_a_template_and_thoughts_go_and_are_noticed(text: str) -> None:
    assert message_in(text) == ("" if text == "<think>hm" else "Hello.")
    assert holds_marks(text)


words = st.text("abcXYZ\u00e9\u4f60", min_size=1, max_size=6)
asides = st.sampled_from(
    ["don't", '"really"', "`<think>`", "x < y", "<b>so</b>", "(well)", "[1]",
     "the \u201cbest\u201d",
     "\U0001f642", "2 * 3", "`</s>`", "- a", "**no**", "*so*", "a\nb", "a\n\nb", "1."]
)  # fmt: skip
sentences = st.lists(words | asides, min_size=1, max_size=12).map(
    lambda found: "Well, " + " ".join(found) + "."
)
THOUGHTS = st.sampled_from(
    ["", "hm", "Okay, the user wants\n\na reply.", "```\nx\n", "`a", '"Hello', "1 < 2", "\u2019"]
)


@st.composite
def wrapped(draw: st.DrawFn) -> tuple[str, str]:
    """A message, and a reply with it: wrapped, marks around that, thoughts before it."""
    message, thought = draw(sentences), draw(THOUGHTS)
    free = not any(mark in message for mark in '"\u201c\u201d')
    layers = {
        "quotes": ('"{}"' if free else "\u00ab{}\u00bb", "\u201c{}\u201d", "\u300c{}\u300d"),
        "fence": ("```\n{}\n```", "```text\n{}\n```", "~~~\n{}\n~~~"),
        "end": ("{}<|im_end|>", "{}</s>", "{} <|eot_id|>\n", "{}<end_of_turn>\n<eos>", "\ufeff{} "),
        "turn": (
            "<|im_start|>assistant\n{}<|im_end|>\n<|im_start|>user\nAnd you?",
            "<|start_header_id|>assistant<|end_header_id|>\n\n{}<|eot_id|>",
            "<start_of_turn>model\n{}<end_of_turn>\n<start_of_turn>user\nAnd you?",
            "assistant\n\n{}",
        ),
        "thoughts": (
            f"<think>{thought}</think>\n\n{{}}",
            f"[THINK]{thought}[/THINK]{{}}",
        ),
        "element": ("<answer>{}</answer>", "<response>\n{}\n</response>"),
    }  # fmt: skip
    text = message
    for kinds in (("element", "fence", "quotes"), ("end", "turn"), ("thoughts",)):
        for kind in draw(st.lists(st.sampled_from(kinds), max_size=3, unique=True)):
            text = draw(st.sampled_from(layers[kind])).replace("{}", text)
    opened = (  # by the template, or by a channel: nothing but thoughts can stand before those
        f"{thought or 'hm'}\n</think>\n\n{{}}",
        f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant"
        "<|channel|>final<|message|>{}<|return|>",
        "{}",
    )
    thinks = "</think>" in text.replace("`</think>`", "")
    return message, text if thinks else draw(st.sampled_from(opened)).replace("{}", text)


@settings(max_examples=200)
@given(wrapped())
def test_a_message_is_found_under_all_its_layers(pair: tuple[str, str]) -> None:
    message, text = pair
    assert message_in(text) == message
    assert not holds_marks(message_in(text))


@given(st.lists(st.sampled_from(
    ["<think>", "</think>", "<|im_end|>", "<|im_start|>user\n", "</s>", "<s>", "[INST]", "```", '"',
     "'", "`", "\n", " ", "A", "hm.", "<answer>", "assistant\n", "<|channel|>final<|message|>", "<"]
)))  # fmt: skip
def test_a_clean_message_is_clean(parts: list[str]) -> None:
    message = message_in("".join(parts))
    assert message == message.strip()
    assert "\0" not in message


def test_a_reply_is_cleaned_in_microseconds() -> None:
    talk = 'I keep bees behind my house, and they don\'t sting. Is "wood" better than foam? '
    for text in (talk * 2, talk * 8, f"<think>{talk * 8}</think>\n\n{talk * 2}<|im_end|>"):
        timer = timeit.Timer(lambda text=text: message_in(text), timer=time.process_time)
        taken = min(timer.repeat(repeat=5, number=200)) / 200
        assert taken < 150e-6  # seconds; 12 to 32 millionths where nothing else runs
