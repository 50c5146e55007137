"""Hold the dialogues of a benchmark and have them judged, on the engine of the simulation.

There are two steps, each of which can be stopped and resumed at any time: dialogues are held like
trees, then every finished one is judged. Rows are appended dialogue by dialogue and sorted into the
order of the plan at the end, with a row for every expected reply: permanent failures are in the
table with their reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aloe.agents.candidate import CONDITIONS, CandidateAgent
from aloe.agents.prompt import chosen
from aloe.agents.rating import PointwiseJudge
from aloe.agents.user import UserAgent
from aloe.benchmark.cut_off import note_cut_off
from aloe.benchmark.dialogues import PlannedDialogue
from aloe.benchmark.folder import SCORES, finished_rows
from aloe.benchmark.judging import judge_dialogue, missing_dialogue
from aloe.benchmark.scores import Missing, ReplyScores, write_scores
from aloe.calls.event import Event, read_events
from aloe.calls.log import CallLog
from aloe.config import Config, ModelConfig
from aloe.files.appending import cut_torn_line
from aloe.files.writing import model_lines, replace_text
from aloe.graphs.batch import RunProgress, finish_trees
from aloe.graphs.concurrency import width_of, work_through
from aloe.graphs.dialogue import DialogueContext, hold
from aloe.memory.cached_embedder import CachedEmbedder
from aloe.memory.disclosures import DisclosureChecker
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.models.open import Model, closed_model, open_model
from aloe.schema import Tree


@dataclass(kw_only=True)
class BenchProgress:
    """How far a condition is; changed in place while it goes on."""

    dialogues: RunProgress
    judged: int = 0
    missing: int = 0
    """Ratings that are missing, over the dialogues judged."""
    last_role: dict[str, str] = field(default_factory=dict)
    """Agent that called last, by dialogue: the one that failed, if the dialogue did."""

    def on_event(self, event: Event) -> None:
        """Note who called."""
        if event.tree:
            self.last_role[event.tree] = event.role


def make_checker() -> DisclosureChecker:
    """Return a check that embeds every sentence of a run once."""
    return DisclosureChecker(CachedEmbedder(MiniLmEmbedder()))


def open_player(config: ModelConfig, *, closed: bool) -> Model:
    """Return the model that a user or a judge speaks through.

    Args:
        config: of the model, with its role's sampling.
        closed: whether rules play and judge everybody, so that nobody may ask it.

    Raises:
        ConfigError: the settings name no model.
    """
    return closed_model(config, "rules play and judge") if closed else open_model(config)


async def run_condition(
    config: Config,
    planned: Sequence[PlannedDialogue],
    folder: RunFolder,
    models: Mapping[str, Model],
    calls: CallLog,
    progress: BenchProgress,
    checker: DisclosureChecker,
    on_change: Callable[[], None] = lambda: None,
) -> list[ReplyScores]:
    """Finish what `folder` does not hold yet, and return one row for each reply, in plan order.

    Args:
        config: settings; the folder must be held for writing under them.
        planned: the dialogues wanted.
        folder: where dialogues and scores go.
        models: by agent name: `user`, `candidate`, and those of `config.models.judges()`.
        calls: the log that every call passes.
        progress: counted up while the run goes on.
        checker: checks what was said.
        on_change: called whenever `progress` changed.

    Raises:
        ModelError: a model is refused or gone; what is finished is kept.
        StoreError: the folder cannot be written any more; what is finished is kept.
    """
    wanted = {each.dialogue.id: each for each in planned}
    condition, width = config.benchmark.condition, width_of(config)
    context = _context(config, models, calls, checker)
    names = {name: models[name].name for name in ("user", "candidate")}

    async def make(each: PlannedDialogue) -> Tree:
        return await hold(each.dialogue, names, context)

    await finish_trees(wanted, make, folder, calls, progress.dialogues, on_change, width=width)
    judges = [PointwiseJudge.of(config, models[name], calls) for name in config.models.judges()]
    path, held = folder.path / SCORES, _held(folder, wanted)
    cut_torn_line(path)
    rows = finished_rows(path, {id_: each.case for id_, each in wanted.items()})
    _keep(path, rows)
    rows |= {tree.id: note_cut_off(rows[tree.id], [tree]) for tree in held if tree.id in rows}
    progress.judged, progress.missing = len(rows), sum(map(_count_missing, rows.values()))
    todo = {tree.id: tree for tree in held if tree.id not in rows}
    calls.remember(
        event
        for event in read_events(folder.events)
        if event["role"] == "judge" and event["tree"] in todo
    )

    async def judge(tree: Tree) -> None:
        found = await judge_dialogue(wanted[tree.id], tree, judges, checker, condition)
        write_scores(path, found)
        rows[tree.id] = found
        progress.judged += 1
        progress.missing += _count_missing(found)
        on_change()

    await work_through(todo.values(), min(width, len(todo)), judge)
    by_name = [judge.model.name for judge in judges]
    for id_, each in wanted.items():
        if id_ not in rows:
            reason = _reason(progress.last_role.get(id_))
            rows[id_] = missing_dialogue(each, by_name, condition, reason)
    ordered = [row for id_ in wanted for row in rows[id_]]
    replace_text(path, model_lines(ordered))
    return ordered


def _context(
    config: Config, models: Mapping[str, Model], calls: CallLog, checker: DisclosureChecker
) -> DialogueContext:
    """Build the agents that hold the dialogues."""
    return DialogueContext(
        user=UserAgent.of(config, models["user"], calls),
        candidate=CandidateAgent(
            model=models["candidate"],
            calls=calls,
            terms=CONDITIONS[config.benchmark.condition],
            told_prompt=chosen("candidate_told", config.prompts),
            concise_prompt=chosen("candidate_concise", config.prompts),
        ),
        checker=checker,
    )


def _keep(path: Path, rows: Mapping[str, Sequence[ReplyScores]]) -> None:
    """Leave only `rows` in a file of scores: those of a dialogue that is rated anew come once more.

    A file without any goes, as before the first dialogue was rated.
    """
    if rows:
        replace_text(path, model_lines(row for each in rows.values() for row in each))
    else:
        path.unlink(missing_ok=True)


def _held(folder: RunFolder, wanted: Mapping[str, PlannedDialogue]) -> list[Tree]:
    trees = read_trees(folder.path) if folder.trees.exists() else ()
    return [tree for tree in trees if tree.id in wanted]


def _count_missing(rows: Sequence[ReplyScores]) -> int:
    return sum(score.value is None for row in rows for score in row.scores)


def _reason(role: str | None) -> Missing:
    return "candidate" if role == "candidate" else "user"
