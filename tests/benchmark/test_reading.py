import pytest
from builders import assistant, user

from aloe.benchmark.case import Probe
from aloe.benchmark.reply_checks import leaked, parroting, personal, recall, right, takes_up, used
from aloe.memory.disclosures import DisclosureChecker, order_facts
from aloe.memory.embedder import MiniLmEmbedder
from aloe.schema import Persona, Telling, Tree, UserNode

PERSONA = Persona.of(
    "I mend bicycles in Porto. I am 34 years old. I have a son called Rui.", "I want short answers."
)
MEND, AGE, SON = (fact.id for fact in PERSONA.facts[:3])


@pytest.mark.parametrize(
    ("reply", "statement", "found"),
    [
        ("Rui might like that.", "I have a son called Rui.", True),
        ("At 34 years you can still run.", "I am 34 years old.", True),
        ("That takes 34 minutes.", "I am 34 years old.", False),
        ("Mend your bicycles on Sunday.", "I mend bicycles.", True),
        ("Bicycles are fine.", "I mend bicycles in a shed.", False),
        ("Bicycles. You mend them in a shed.", "I mend bicycles in a shed.", True),
        ("A good plan.", "I mend bicycles.", False),
        ("", "I mend bicycles.", False),
    ],
)
def test_taking_up_a_statement(reply: str, statement: str, found: bool) -> None:
    assert takes_up(reply, statement) == found


def test_only_what_was_stated_is_used() -> None:
    reply = "Rui can help you mend bicycles."
    assert used(reply, PERSONA, [MEND]) == (MEND,)
    assert used(reply, PERSONA, [SON, MEND]) == (MEND, SON)
    assert used(reply, PERSONA, []) == ()


def test_parroting_is_repeating_the_message() -> None:
    message = "I mend bicycles in Porto and I want short answers."
    assert parroting("So you mend bicycles in Porto and you want short answers.", message) is False
    assert parroting("I mend bicycles in Porto and I want short answers.", message)
    assert not parroting("", message)


def test_a_probe_is_personal_beyond_its_own_words() -> None:
    probe = Probe(message="How do bicycles in Porto keep upright?", kind="fact")
    assert personal("Rui could show you.", probe, PERSONA)
    assert not personal("Bicycles in Porto steer into a fall.", probe, PERSONA)


def test_a_right_answer_is_a_whole_word() -> None:
    probe = Probe(message="What is 7 times 12?", kind="fact", accept=("84", "eighty-four"))
    assert right("It is 84.", probe)
    assert right("Eighty-Four!", probe)
    assert right("It is 184.", probe) is False
    assert right("", probe) is False
    assert right("84", Probe(message="Write a poem.", kind="neutral")) is None


def test_a_fact_before_its_turn_is_leaked() -> None:
    first, second, third = (fact.id for fact in order_facts(PERSONA, "t"))
    message = user("...", stated=(first, third, PERSONA.facts[-1].id))
    assert leaked(PERSONA, message, tree_with(message)) == (third,)
    later = message.model_copy(update={"turn": 3, "stated": (first, second, third)})
    assert leaked(PERSONA, later, tree_with(later)) == ()


def test_of_who_tells_only_what_is_asked_for_all_that_was_not_told_is_leaked() -> None:
    first, second, _ = (fact.id for fact in order_facts(PERSONA, "t"))
    trait = PERSONA.facts[-1].id
    told = (Telling(about=second, why="volunteered"),)
    message = user("...", stated=(first, second, trait), told=told)
    assert leaked(PERSONA, message, tree_with(message, "reticent")) == (first, trait)
    silent = message.model_copy(update={"told": ()})
    assert leaked(PERSONA, silent, tree_with(silent, "reticent")) == (first, second, trait)


def tree_with(message: UserNode, disclosure: str | None = None) -> Tree:
    tree = Tree(id="t", persona=PERSONA, seed=0, models={}, nodes=(), verdicts=(),
                disclosure=disclosure)  # fmt: skip
    return tree.model_copy(update={"nodes": (message,)})  # of any turn


def tree_of(answer: str, stated: tuple[str, ...]) -> Tree:
    first = user("I mend bicycles in Porto.", stated=stated)
    reply = assistant("Fine.", first)
    question = user("What do you know?", reply.id, turn=2)
    final = assistant(answer, question)
    return Tree(
        id="t",
        persona=PERSONA,
        seed=0,
        models={},
        nodes=(first, reply, question, final),
        verdicts=(),
    )


@pytest.mark.parametrize(
    ("answer", "listed", "right", "found"),
    [
        ("I mend bicycles in Porto.", 1, 1, 1),
        ("- I mend bicycles in Porto.\n- I have a son called Rui.", 2, 1, 1),
        ("I mend bicycles in Porto. In Porto I mend bicycles. I collect stamps.", 3, 2, 1),
        ("I do not mend bicycles in Porto.", 1, 0, 0),
        ("I am 52 years old.", 1, 0, 0),
        ("", 0, 0, 0),
        ("...", 0, 0, 0),
    ],
)
def test_recall_counts_what_was_stated(answer: str, listed: int, right: int, found: int) -> None:
    result = recall(tree_of(answer, (MEND,)), PERSONA, DisclosureChecker(MiniLmEmbedder()))
    assert (result.listed, result.right, result.found) == (listed, right, found)
    assert result.stated == 1


def test_recall_forgets_what_holds_no_more() -> None:
    result = recall(
        tree_of("I want short answers.", ("gone", MEND)),
        PERSONA,
        DisclosureChecker(MiniLmEmbedder()),
    )
    assert result.stated == 1
