import asyncio
import json
from statistics import fmean

from bags import BagOfWords
from builders import scripted_model

from aloe.agents.candidate import CONDITIONS, CandidateAgent
from aloe.agents.scripted import reply as scripted_reply
from aloe.agents.user import UserAgent
from aloe.benchmark.cases import load_cases
from aloe.benchmark.dialogues import plan
from aloe.benchmark.judging import judge_dialogue
from aloe.benchmark.swaps import assign_stand_ins
from aloe.calls.log import CallLog
from aloe.graphs.dialogue import DialogueContext, hold
from aloe.memory.disclosures import DisclosureChecker
from aloe.memory.verifiable.scoring import measure_satisfaction
from aloe.players import RULE


def test_a_program_rates_replies_for_several_swapped_users_and_takes_the_mean() -> None:
    suite = load_cases("verifiable")
    planned, *_ = plan(suite, assign_stand_ins(suite), 1, "candidate")
    calls, checker = CallLog(), DisclosureChecker(BagOfWords())
    candidate = CandidateAgent(
        model=scripted_model(scripted_reply), calls=calls, terms=CONDITIONS["candidate"]
    )
    user = UserAgent(model=scripted_model(), calls=calls)
    context = DialogueContext(user=user, candidate=candidate, checker=checker)
    tree = asyncio.run(hold(planned.dialogue, {"user": "u", "candidate": "c"}, context))
    cut = tree.replies[1].model_copy(update={"faults": ("truncated",)})
    nodes = tuple(cut if node.id == cut.id else node for node in tree.nodes)
    tree = tree.model_copy(update={"nodes": nodes})
    rows = asyncio.run(judge_dialogue(planned, tree, [], checker, "candidate"))
    assert len(rows) == planned.case.turns
    assert [row.turn for row in rows if row.cut_off] == [2]
    assert {row.cut_off for row in rows} == {False, True}
    for row in rows:
        assert row.reply
        text = tree.by_id[row.reply].content
        shares = [measure_satisfaction(o.persona.preferences, text) for o in planned.stand_ins]
        assert len(set(shares)) > 1, "else any one would do"
        own, swapped = row.scores
        assert own.judge == swapped.judge == RULE
        assert own.value == measure_satisfaction(planned.case.persona.preferences, text)
        assert swapped.value == fmean(shares)
        assert json.loads(swapped.raw) == shares
        assert row.stand_ins == tuple(other.id for other in planned.stand_ins)
