from pathlib import Path

from builders import assistant, user
from command import RunAloe
from snapshots import drawn

from aloe.memory.highlight import Highlight, find_highlight
from aloe.memory.run_folder import RunFolder
from aloe.schema import Node, Persona, Tree, UserNode, Verdict

PERSONA = Persona.of(
    "I mend bicycles. I live in Porto.",
    "I want no exclamation marks. I want to be asked a question back.",
    preferences={"exclamation": "none", "question": "asked"},
)


def tree(*kept: tuple[str, str], persona: Persona = PERSONA) -> Tree:
    """Return a tree with an exchange a pair of replies, the second of which is preferred."""
    nodes: list[Node] = []
    verdicts: list[Verdict] = []
    for turn, (worse, better) in enumerate(kept, 1):
        asked = user(f"Question {turn}?", nodes[-1].id if nodes else None, turn=turn)
        replies = [
            assistant(worse, asked, agent="a"),
            assistant(better, asked, agent="b"),
        ]
        nodes += [asked, *replies]
        verdicts.append(
            Verdict(node=asked.id, first=replies[0].id, second=replies[1].id, votes=(),
                    outcome="second", margin=-float(turn))
        )  # fmt: skip
    return Tree(id="t", persona=persona, seed=0, models={}, nodes=tuple(nodes),
                verdicts=tuple(verdicts))  # fmt: skip


def test_the_exchange_with_most_wishes_apart_is_shown() -> None:
    found = find_highlight([tree(("Oh!", "Fine!"), ("Oh!", "Why is that?"), ("Oh.", "Why?"))])
    assert found
    assert found.user.turn == 2
    text = drawn(found, 80)
    assert "(✓ exclamation)  (✓ question)" in text
    assert "(✗ exclamation)  (✗ question)" in text
    assert text.index("★ b") < text.index("  a")


def test_what_the_user_had_told_counts_more() -> None:
    told = "I cannot stand exclamation marks. And?"
    held = tree(("Oh!", "Why!?"), ("Oh! Why?", "Oh."))
    first, *others = held.nodes
    nodes = tuple(
        node.model_copy(update={"content": told})
        if node.role == "user" and node.turn == 2
        else node
        for node in others
    )
    found = find_highlight([held.model_copy(update={"nodes": (first, *nodes)})])
    assert found
    assert found.user.turn == 2
    assert "✓ exclamation  (✗ question)" in drawn(found, 80)


def test_an_empty_reply_has_no_ticks() -> None:
    found = find_highlight([tree(("", "Why?"))])
    assert found
    assert "(✗ exclamation)  (✗ question)" in drawn(found, 80)


def test_the_star_is_for_a_reply_that_lost_to_none_of_its_siblings() -> None:
    plain = Persona.of("I mend bicycles.", "I am short.")
    held = tree(("nay", "yea"), persona=plain)
    asked, a, b = held.nodes
    assert isinstance(asked, UserNode)
    third = assistant("aye", asked, agent="c")
    (clear,) = held.verdicts
    clear = clear.model_copy(update={"margin": -9.0})  # b won by far, and lost to c

    def shown(*pairs: tuple[Node, Node]) -> Highlight | None:
        others = [
            clear.model_copy(update={"first": worse.id, "second": better.id, "margin": -1.0})
            for worse, better in pairs
        ]
        update = {"nodes": (*held.nodes, third), "verdicts": (clear, *others)}
        return find_highlight([held.model_copy(update=update)])

    found = shown((b, third))
    assert found
    assert found.best == third.id
    assert [line[0] for line in drawn(found, 80).splitlines()[-3:]] == ["★", " ", " "]
    assert shown((b, third), (third, a)) is None  # each lost to one


def test_elsewhere_the_margin_decides() -> None:
    plain = Persona.of("I mend bicycles.", "I am short.")
    found = find_highlight([tree(("no", "yes"), ("nay", "yea"), persona=plain)])
    assert found
    assert found.user.turn == 2
    assert "✓" not in drawn(found, 80)


def test_a_persona_that_a_role_let_the_user_play_is_the_one_that_is_shown() -> None:
    plain = Persona.of("I am short.", "I am brief.")
    held = tree(("Oh!", "Why is that?"), ("Oh.", "Why?"), persona=plain)
    nodes = tuple(
        node.model_copy(update={"played": PERSONA}) if node.role == "user" and node.turn == 1
        else node
        for node in held.nodes
    )  # fmt: skip
    found = find_highlight(
        [held.model_copy(update={"nodes": nodes, "verdicts": held.verdicts[:1]})]
    )
    assert found
    text = drawn(found, 80)
    assert "exclamation: none, question: asked" in text  # by the names of the ticks
    assert "(✓ exclamation)  (✓ question)" in text


def test_without_a_preference_there_is_none(aloe: RunAloe, tmp_path: Path) -> None:
    undecided = tree(("no", "yes")).model_copy(update={"verdicts": ()})
    assert find_highlight([undecided]) is None
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.trees.write_text(undecided.model_dump_json() + "\n")
    assert aloe("trace", folder.path, "--highlight").is_one_line_about("no comparison")
