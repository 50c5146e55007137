import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe.models.thoughts import Spoken, open_thoughts, split_thoughts, thoughts_before

HARMONY = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>A"


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        ("A", "", "A"),
        ("<think>hm</think>A", "hm", "A"),
        ("<THINK>\nhm\n</THINK>\n\nA\n", "hm", "A"),
        ("<thinking>hm</thinking> A", "hm", "A"),
        ("<seed:think>hm</seed:think>A", "hm", "A"),
        ("[THINK]hm[/THINK]A", "hm", "A"),
        ("◁think▷hm◁/think▷A", "hm", "A"),
        ("hm</think>A", "hm", "A"),
        ("hm</think>still</think>A", "hm\nstill", "A"),
        ("<think>I wrote <think> here</think>A", "I wrote\nhere", "A"),
        ("<think></think>A", "", "A"),
        ("Well. <think>hm</think>A", "hm", "Well. A"),
        (HARMONY, "hm", "A"),
        (HARMONY + "<|return|>", "hm", "A"),
        ("hm<|end|><|start|>assistant<|channel|>final<|message|>A", "hm", "A"),
        ("<|channel|>final<|message|>A", "", "A"),
        ("analysisWe look.assistantfinalA", "We look.", "A"),
        ("analysiswe look.assistantfinalA", "we look.", "A"),
        ('analysis"Hi" is short.assistant finalA', '"Hi" is short.', "A"),
        ("<|inner_prefix|>hm<|inner_suffix|>A", "hm", "A"),
        ("hm<|inner_suffix|>A", "hm", "A"),
        ("<|think|>hm<|end|><|begin|>assistant<|content|>A", "hm", "A"),
        ("A<|end|>", "", "A<|end|>"),
        ("An analysis of <b>A</b>", "", "An analysis of <b>A</b>"),
        ("analysis of A", "", "analysis of A"),
        ("analysis, say, is no assistant finally.", "", "analysis, say, is no assistant finally."),
        ("analysis-paralysis", "", "analysis-paralysis"),
    ],
)
def test_an_answer_stands_behind_its_thoughts(text: str, thoughts: str, answer: str) -> None:
    assert split_thoughts(text) == Spoken(thoughts=thoughts, answer=answer)


@pytest.mark.parametrize(
    "text",
    [
        "<think>hm",
        "<think>hm</think>and <think>again",
        "[THINK]hm",
        "<|channel|>analysis<|message|>hm",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant",
        "analysisWe look",
        "<|inner_prefix|>hm",
        "<|think|>hm<|end|>",
    ],
)
def test_thoughts_that_do_not_end_have_no_answer_behind_them(text: str) -> None:
    spoken = split_thoughts(text)
    assert spoken.unended
    assert spoken.answer in ("", "and")
    assert spoken.thoughts


@given(st.lists(st.sampled_from(["<think>", "</think>", "[/THINK]", "A", " ", HARMONY, "<|end|>"])))
def test_no_tag_is_left_in_an_answer(parts: list[str]) -> None:
    answer = split_thoughts("".join(parts)).answer
    assert not any(tag in answer for tag in ("<think>", "</think>", "[/THINK]", "<|channel|>"))


@pytest.mark.parametrize(
    ("lead", "thoughts"),
    [
        ("", ""),
        (" ", ""),
        ("<|RESPONSE|>", ""),
        ("\n<think></think>\n", "\n<think></think>\n"),
        ("<think>hm</think> <|RESPONSE|>", "<think>hm</think> "),
        ("\n</think>\n\n", "\n</think>\n\n"),
        ("<|channel|>final<|message|>", "<|channel|>final<|message|>"),
        ("<think></think>A<think>hm</think>", "<think></think>A<think>hm</think>"),
        ("[THINK]hm[/THINK]", "[THINK]hm[/THINK]"),
        ("<think>\n", "<think>\n"),
    ],
)  # fmt: skip
def test_thoughts_in_front_of_an_answer_are_found(lead: str, thoughts: str) -> None:
    assert thoughts_before(lead) == thoughts


@pytest.mark.parametrize(
    ("prompt", "block", "ending"),
    [
        ("user\nA\nassistant\n", "", ""),
        ("assistant\n<think>\n", "<think>\n", "\n</think>\n\n"),
        ("assistant\n<think>", "<think>", "</think>"),
        ("[THINK]", "[THINK]", "[/THINK]"),
        ("<|START_THINKING|>\n", "<|START_THINKING|>\n", "\n<|END_THINKING|>\n\n"),
        ("<|begin_of_thought|>", "<|begin_of_thought|>", "<|end_of_thought|>"),
        ("bot: <think>\n\n</think>\n\n", "<think>\n\n</think>\n\n", ""),
        ("What is <think>?\nassistant\n", "", ""),
        ("A</think>", "", ""),
        ("<think>hm</think>", "", ""),
        ("<unused94>thought", "", ""),
    ],
)
def test_thoughts_that_a_prompt_opens_are_found_with_what_ends_them(
    prompt: str, block: str, ending: str
) -> None:
    assert open_thoughts(prompt) == (block, ending)
