import pytest

from aloe.memory.questions import find_questions_in


@pytest.mark.parametrize(
    ("reply", "asked"),
    [
        ("Sow them in May. How big is the bed?", ["How big is the bed?"]),
        ("How big is it? And is it sunny?", ["How big is it?", "And is it sunny?"]),
        ("Sow them in May.", []),
        ("", []),
        ("Really?! Tell me more.", ["Really?!", "Tell me more."]),
        ("- **How old are you?**\n2. Do you smoke?\n", ["How old are you?", "Do you smoke?"]),
        ("**Do you want a list?** I can do that.", ["Do you want a list?"]),
        ("*Really?* I see. __Do you smoke?__ Say so.", ["Really?", "Do you smoke?"]),
        ("It is cheap (do you have a card?) and quick.", ["do you have a card?"]),
        ("It is cheap. (Do you have a card?)", ["Do you have a card?"]),
        ("What do you think? 😊", ["What do you think?"]),
        ("何歳ですか？そうですか。", ["何歳ですか？"]),  # noqa: RUF001
        ("Please tell me how you sleep.", ["Please tell me how you sleep."]),
        ("So, tell me a bit about yourself!", ["So, tell me a bit about yourself!"]),
        ("Let me know which of them you own.", ["Let me know which of them you own."]),
        ("Please share your budget.", ["Please share your budget."]),
        ('"Centre" or "center", which is it?', ['"Centre" or "center", which is it?']),
        ('Do you say "do not" or "don\'t"?', ['Do you say "do not" or "don\'t"?']),
    ],
)
def test_the_sentences_that_ask_are_found_in_order(reply: str, asked: list[str]) -> None:
    assert list(find_questions_in(reply)) == asked


@pytest.mark.parametrize(
    "reply",
    [
        'Ask the landlord "Is the deposit safe?" before you sign.',
        "Ask the landlord “Is the deposit safe?” before you sign.",
        "## What is a deposit?\nIt is money that you get back.",
        "> Is the deposit safe?\nThat is what you wrote.",
        "```\nwhat = a ? b : c?\n```",
        "Type `what?` and press return.",
        "Let me know if you need more.",
        "Tell me if that helps.",
        "You can tell me later.",
        "???",
    ],
)
def test_what_only_looks_like_a_question_is_none(reply: str) -> None:
    assert find_questions_in(reply) == ()


@pytest.mark.parametrize(
    ("reply", "asked"),
    [
        ("How do I write a good letter? Begin early.", []),
        ("**HOW do I  write a good letter?** \U0001f60a", []),
        ("You ask: how do I write a good letter?", []),
        ("Why? How do I write a good letter? To whom?", ["Why?", "To whom?"]),
        ("Is it so hard? How old are you?", ["How old are you?"]),
    ],
)
def test_a_question_of_the_users_is_not_asked_by_who_repeats_it(
    reply: str, asked: list[str]
) -> None:
    said = ["Why is it so hard?", "Well. How do I write a good letter?"]
    assert list(find_questions_in(reply, said)) == asked
