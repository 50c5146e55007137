import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import PERSONAS, assistant, user

from aloe.agents.judge import Comparison
from aloe.errors import ConfigError
from aloe.graphs.rejudge import count_flips, count_unasked, judge_tree, keep_hashes
from aloe.memory.run_folder import RunFolder
from aloe.schema import AssistantNode, Outcome, Persona, Tree, Verdict, Vote

OPENING = user("Hello")
A, B, C = (assistant(f"Reply {name}", OPENING, agent=name) for name in "abc")
VOTE = Vote(judge="judge", order="first-second", raw="A", choice="first")


def tree(*judged: tuple[AssistantNode, AssistantNode, Outcome]) -> Tree:
    verdicts = tuple(
        Verdict(node=OPENING.id, first=one.id, second=other.id, votes=(VOTE,), outcome=outcome)
        for one, other, outcome in judged
    )
    return Tree(
        id="t", persona=PERSONAS[0], seed=0, models={}, nodes=(OPENING, A, B, C), verdicts=verdicts
    )  # fmt: skip


def test_a_pair_that_stands_the_other_way_round_is_the_same_pair() -> None:
    before = tree((A, B, "first"), (A, C, "second"), (B, C, "tie"))
    after = tree((B, A, "second"), (C, A, "second"), (C, B, "abstain"))
    assert count_flips([before], [after]) == {
        ("first", "first"): 1,
        ("second", "first"): 1,
        ("tie", "abstain"): 1,
    }


def test_a_judge_speaks_for_whom_the_user_played() -> None:
    other, heard = Persona.of("I am 90.", "I whisper."), list[str]()

    @dataclass
    class Listening:
        async def compare(self, asked: Comparison) -> Verdict:
            heard.append(asked.persona.profile)
            return asked.verdict("first")

    held = tree()
    played = held.model_copy(
        update={"nodes": (OPENING.model_copy(update={"played": other}), A, B, C)}
    )
    for each in (held, played):
        assert len(asyncio.run(judge_tree(each, Listening(), "round_robin"))) == 3
    assert heard == [PERSONAS[0].profile] * 3 + ["I am 90."] * 3


def test_a_judged_run_says_which_files_made_its_trees(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert keep_hashes(run, ["local:user"], {"local:judge": "c"}) == {"local:judge": "c"}
    run.models.write_text(json.dumps({"local:user": "a", "local:judge": "b"}))
    found = {"local:user": "a", "local:judge": "c"}
    assert keep_hashes(run, ["local:user"], {"local:judge": "c"}) == found
    with pytest.raises(ConfigError, match=r"local:judge played in .* name that with --judge"):
        keep_hashes(run, ["local:user", "local:judge"], {"local:judge": "c"})


def test_pairs_that_no_judge_was_asked_about_are_no_agreement() -> None:
    before = tree((A, B, "first"), (A, C, "tie"), (B, C, "tie"))
    asked, settled, judged_once = before.verdicts
    alike = settled.model_copy(update={"votes": ()})
    held = before.model_copy(update={"verdicts": (asked, alike, judged_once)})
    again = held.model_copy(
        update={"verdicts": (asked, alike, judged_once.model_copy(update={"votes": ()}))}
    )
    assert count_flips([held], [again]) == {("first", "first"): 1, ("tie", "tie"): 1}
    assert count_unasked([held], [again]) == 1
    assert count_unasked([held], []) == 0


def test_pairs_that_only_one_judge_compared_are_not_counted() -> None:
    before = tree((A, B, "first"), (A, C, "first"))
    assert count_flips([before], [tree((A, B, "second"), (B, C, "first"))]) == {
        ("first", "second"): 1
    }
    assert count_flips([before], []) == {}
