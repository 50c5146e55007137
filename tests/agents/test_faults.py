import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe.agents.faults import assistant_faults, echoes, tidied, user_faults
from aloe.models.open import Reply


def reply(text: str, finish: str = "stop") -> Reply:
    return Reply(text=text, finish=finish, input_tokens=1, cached_tokens=0, output_tokens=1)


@pytest.mark.parametrize(
    ("said", "finish", "text"),
    [
        ("  Hello. ", "stop", "Hello."),
        ("User: Hello.", "stop", "Hello."),
        ("me : Hello.", "stop", "Hello."),
        ('"Hello."', "stop", "Hello."),
        ('"Yes" or "no"', "stop", '"Yes" or "no"'),
        ('"', "stop", '"'),
        ("The user: a study", "stop", "The user: a study"),
        ("One. Two. Thr", "length", "One. Two."),
        ("Only a piece", "length", "Only a piece"),
        ("One. Two. Thr", "stop", "One. Two. Thr"),
        ("I *love* hiking, 2*3*4 miles", "stop", "I *love* hiking, 2*3*4 miles"),
        ("*all*", "stop", "*all*"),
        ("", "stop", ""),
        ("Assistant:", "stop", ""),
    ],
)
def test_tidied(said: str, finish: str, text: str) -> None:
    assert tidied(reply(said, finish)) == text


@pytest.mark.parametrize(
    ("whole", "rest"),
    [
        (
            "Here is a plan for you:\n\n- Eat well\n- Sleep more 😀\n- Walk daily\n\nThat is all.",
            " And th",
        ),
        ("- Eat well.\n- Sleep more.\n- Walk daily.", "\n- Dri"),
        ("Do this.\n\n1. Eat well.", "\n2. Sleep mo"),
        ("Do this.", "\n\n1. Eat well\n2. Sle"),
        ('She said "go."', " Then w"),
        ("(That is all.)", " And"),
        ("**Eat well.**", " Then sl"),
        ("Great! 😀👍🏽", " Now th"),
        ("Well done!🎉", "\nNow th"),
        ("多喝水。好好睡觉。", "我还认为"),
        ("我喜欢“足球。”然后走了。", "他说"),
        ("मैं दिल्ली में रहता हूँ।", " मैं शि"),
        ("أنا طبيب. هل تحب القهوة؟", " نع"),
        ("I met Dr. Lee. It cost 3.50 euros.", " I like fruit, e.g. app"),
        ("Two  blanks.\tA tab.", "  And"),
    ],
)
def test_what_broke_off_is_cut_behind_its_last_whole_sentence(whole: str, rest: str) -> None:
    assert tidied(reply(whole + rest, "length")) == whole
    assert "truncated" not in user_faults(whole, reply(whole + rest, "length"), [], most_words=40)


PIECES = [*"ab1 .!?\n-*)\"'”。」।؟😀\ufe0f", "Dr.", "e.g. ", "\n2. ", "One. "]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_what_is_left_of_what_broke_off_is_how_it_began(text: str) -> None:
    cut = reply(text, "length")
    left = tidied(cut)
    assert cut.text.startswith(left)
    assert bool(left) == bool(cut.text)
    assert tidied(reply(left, "length")) == left


@pytest.mark.parametrize(
    "text",
    [
        "I *love* hiking.",
        "I want **very short answers**, please.",
        "**Really?** I do not think so.",
        "It is 2*3*4 or 2 * 3 * 4.",
        "Rate it ***** out of five.",
        "- * first\n- * second",
        "I help my mother. Can you help me?",
        "Do you need my postcode for that?",
        "Tell me more about your second idea.",
        "I am an aide. My AI course is hard.",
    ],
)
def test_what_people_write_has_no_fault(text: str) -> None:
    assert user_faults(text, reply(text), [], most_words=20) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("As an AI language model, I have no cats.", "role_confusion"),
        ("As a helpful AI I can tell you.", "role_confusion"),
        ("I'm an AI.", "role_confusion"),
        ("Hi! How can I help you today?", "role_confusion"),
        ("How may I assist you?", "role_confusion"),
        ("I climb wind turbines. Do you need any assistance with that?", "role_confusion"),
        ("Do you need some advice for the garden?", "role_confusion"),
        ("Sounds good. Can you tell me more about your job?", "role_confusion"),
        ("*smiles* I like that.", "narration"),
        ("I like that. *smiles*", "narration"),
        ("I like that.\n*smiles*\nBye.", "narration"),
        ("Well, *takes a deep breath* fine.", "narration"),
        ("I keep bees behind my house.", "echo"),
        ("I wash " + " ".join(f"cup{i}" for i in range(21)), "over_long"),
        ("And so I", "truncated"),
    ],
)
def test_a_fault_of_a_user_is_seen(text: str, fault: str) -> None:
    earlier = ["Hello.", "I keep bees behind my house. Do they sting?"]
    finish = "length" if fault == "truncated" else "stop"
    assert user_faults(text, reply(text, finish), earlier, most_words=20) == (fault,)


def test_a_message_may_have_several_faults() -> None:
    text = "*smiles* As an AI I have no idea of"
    assert user_faults(text, reply(text, "length"), [text], most_words=8) == (
        "role_confusion",
        "narration",
        "echo",
        "over_long",
        "truncated",
    )


@pytest.mark.parametrize(
    ("text", "finish", "faults"),
    [
        ("", "stop", ("empty",)),
        ("", "length", ("only_reasoning",)),
        ("Fine.", "length", ("truncated",)),
        ("Fine.", "content_filter", ("filtered",)),
        ("Fine.", "error", ("failed",)),
        ("Fine.", "stop", ()),
        ("How can I help you?", "stop", ()),
    ],
)
def test_faults_of_an_assistant(text: str, finish: str, faults: tuple[str, ...]) -> None:
    assert assistant_faults(text, reply(text, finish)) == faults


@pytest.mark.parametrize(
    ("text", "asked", "faults"),
    [
        ("Home is a cotton town.", "Home is a cotton town.", ("echo",)),
        ("home is a cotton town", "Home is a cotton town!", ("echo",)),
        ("Home is a cotton town. What is it like?", "Home is a cotton town.", ()),
        ("Home is a cotton town.", "Say it again: home is a cotton town.", ()),
        ("Thank you!", "Thank you.", ()),
    ],
)
def test_an_assistant_that_says_the_message_again(
    text: str, asked: str, faults: tuple[str, ...]
) -> None:
    assert assistant_faults(text, reply(text), asked=asked) == faults


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("I own three ovens, by the way. How do I get rid of moths?", True),
        ("I own three ovens. And how do I get rid of MOTHS?", True),
        ("I own three ovens. How do I get rid of ants?", False),
        ("I own three ovens. Should I do it?", False),
        ("I own three ovens. How old are they?", False),
    ],
)
def test_a_question_is_not_asked_again_in_the_same_words(text: str, again: bool) -> None:
    said = ["I sew. How do I get rid of moths? Should I do it?", "How old are they?"]
    said.append("They were on my mind all day.")
    faults = user_faults(text, reply(text), said, most_words=40)
    assert faults == (("echo",) if again else ())


@pytest.mark.parametrize(
    ("text", "other", "same"),
    [
        ("I like tea a lot.", "Well, i LIKE tea... a lot!", True),
        ("I like tea a lot.", "I like coffee a lot.", False),
        ("Yes", "Yes", True),
        ("Yes", "Yes, do it now", False),
        ("", "Yes", False),
        ("...", "...", False),
    ],
)
def test_echoes(text: str, other: str, same: bool) -> None:
    assert echoes(text, other) == same
