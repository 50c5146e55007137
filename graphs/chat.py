"""A conversation between a person and one or two models: the person is both user and judge.

Each turn, the models answer the same message from the same conversation and get nothing else, no
instruction and no hint, as a deployed model would. What the person prefers is a verdict of the
judge `human`, the conversation goes on from there, and the other reply stays beside it: a tree like
any other, which is on disk after every turn. Nothing here knows of a screen.
"""

import asyncio
import secrets
from collections.abc import Callable, Container, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import count

from aloe.agents.candidate import CandidateAgent
from aloe.agents.inducer import Inducer
from aloe.agents.prompt_size import prompt_for
from aloe.calls.event import appending
from aloe.calls.log import CallLog
from aloe.config import Config
from aloe.errors import CallError, ModelError
from aloe.graphs.chat_ledger import Ledger, keep_ledger, mark_wishes, note_tellings
from aloe.graphs.chat_turn import HUMAN, NAMES, ChatError, ChatTurn, Checked, Choice
from aloe.memory.run_folder import RunFolder
from aloe.models.open import Model, check_reachable
from aloe.schema import Node, Persona, Tree, UserNode, Verdict, derive_seed

HearReply = Callable[[str, str], None]
"""Told who is answering, by name, and what the reply says so far."""


@dataclass(frozen=True, kw_only=True)
class Chat:
    """Who talks to whom, and where it is kept."""

    config: Config
    folder: RunFolder
    persona: Persona
    """Whom the person plays; without texts, the person is themself."""
    models: dict[str, Model]
    """By name: `model`, and if wanted `beside` and `inducer`."""
    weights: dict[str, str]
    """Hash of the files of every model that the folder has seen, by model string."""
    prompts: dict[str, str]
    """Content hash of every prompt that the folder has seen, by name."""
    blind: bool = False
    """Whether the order of the replies is drawn and their writers are not named."""
    seed: int | None = None
    """What the seeds of conversations follow from; None: each is drawn."""

    @property
    def names(self) -> tuple[str, ...]:
        """Who answers."""
        return tuple(name for name in NAMES if name in self.models)

    async def check_servers(self) -> None:
        """Make sure that every server answers.

        Raises:
            ModelError: one does not.
        """
        await check_reachable(list(self.models.values()))

    @contextmanager
    def session(self) -> Iterator["ChatSession"]:
        """Give a conversation; nothing is written before its first message.

        However it ends, every turn of it is checked.
        """
        with ExitStack() as stack:
            session = ChatSession(self, stack)
            try:
                yield session
            finally:
                session.finish()


class ChatSession:
    """A conversation under way."""

    def __init__(self, chat: Chat, stack: ExitStack) -> None:
        self.chat = chat
        self.turns: list[ChatTurn] = []
        self.unanswered: ChatTurn | None = None
        """The last message, if nobody answered it."""
        self.calls: CallLog | None = None
        """None before the first message."""
        self._stack = stack
        self._seed = 0
        self._cores = asyncio.Lock()
        self._unmarkable = False
        """Whether the model that marks messages is refused or gone."""

    @property
    def last(self) -> ChatTurn:
        """The last turn.

        Raises:
            ChatError: nothing was said yet.
        """
        if not self.turns:
            raise ChatError("nothing has been said yet")
        return self.turns[-1]

    @property
    def unmarked(self) -> int:
        """Messages that no model has marked though one was to: it failed, or the person left."""
        return sum(not turn.marked for turn in self.turns if "inducer" in self.chat.models)

    @property
    def tree_id(self) -> str:
        """Id of the tree."""
        return Tree.id_for(self.chat.persona, self._seed)

    @property
    def tree(self) -> Tree:
        """The conversation as a tree."""
        nodes: list[Node] = []
        for turn in self.said:
            nodes += turn.user, *(turn.replies[n] for n in NAMES if n in turn.replies)
        models = {name: model.name for name, model in self.chat.models.items()}
        return Tree(
            id=self.tree_id,
            persona=self.chat.persona,
            seed=self._seed,
            models={"user": HUMAN, **models, "judge": HUMAN},
            nodes=tuple(nodes),
            verdicts=tuple(turn.verdict for turn in self.turns if turn.verdict),
        )

    @property
    def said(self) -> list[ChatTurn]:
        """The turns, the last message among them if nobody answered it."""
        return [*self.turns, *filter(None, [self.unanswered])]

    @property
    def ledger(self) -> Ledger:
        """What the conversation has brought to light."""
        return keep_ledger(self.chat.persona, self.said[-1].said if self.said else ())

    def begin(self, text: str) -> ChatTurn:
        """Return a turn that begins with a message; `ask` has it answered.

        Raises:
            StoreError: the folder cannot be written.
        """
        self._open()
        before = self.turns[-1] if self.turns else None
        path, number = before.said if before else (), len(self.turns) + 1
        user = UserNode.of(
            path[-1].id if path else None,
            text,
            tree=self.tree_id,
            turn=number,
            agent=HUMAN,
            revealed=mark_wishes(text),
            **note_tellings(text, path),
        )
        named = not self.chat.blind
        turn = ChatTurn(user=user, before=before, order=self._draw_order(), named=named)
        self.unanswered = turn
        return turn

    def retry(self) -> ChatTurn:
        """Return the turn in which somebody failed to answer; `ask` asks them again.

        Raises:
            ChatError: nobody failed.
        """
        turn = self.unanswered or self.last
        if len(turn.replies) == len(turn.order):
            raise ChatError("every reply is there; nobody has to be asked again")
        return turn

    async def ask(self, turn: ChatTurn, hear: HearReply = lambda _name, _text: None) -> None:
        """Ask all who have not answered, and keep the turn.

        Who fails is named in `turn.failures`; if nobody answers, the turn is not kept. What has
        come before this is cancelled is kept.

        Args:
            turn: what `begin` or `retry` returned.
            hear: told of the replies while they are written.

        Raises:
            StoreError: the folder cannot be written.
            BudgetError: what the folder may cost is spent.
        """
        missing = [name for name in turn.order if name not in turn.replies]
        turn.failures, turn.checked = {}, False
        work = [self._answer(turn, name, hear) for name in missing]
        try:
            done = await asyncio.gather(*work, return_exceptions=True)
        finally:
            if turn.replies:  # whatever became of the others, these were paid for
                self._keep(turn)
        for each in done:
            if isinstance(each, BaseException):
                raise each

    async def mark(self, turn: ChatTurn) -> str | None:
        """Mark what a turn tells of the person, as far as no rule has found it.

        A model does that, if there is one for it, and a persona is what all is held against. It
        may take a while and hinders nobody: the conversation can go on meanwhile.

        Args:
            turn: one that was answered.

        Returns:
            What the person is to be told, once: that the model is refused or gone, and marks
            nothing any more.

        Raises:
            StoreError: the folder cannot be written.
            BudgetError: what the folder may cost is spent.
        """
        before = turn.user, dict(turn.replies)
        ended = await self._induce(turn)
        turn.take_checked(await asyncio.to_thread(self._check, turn))
        if any(turn is each for each in self.turns) and before != (turn.user, turn.replies):
            self._save()
        return ended

    def finish(self) -> None:
        """Check the turns whose marking was broken off; that asks no model.

        A last message that nobody answered is kept too: the person did say it.

        Raises:
            StoreError: the folder cannot be written.
        """
        if late := [turn for turn in self.said if not turn.checked]:
            for turn in late:
                turn.take_checked(self._check(turn))
            self._save()

    def prefer(self, choice: Choice) -> Verdict:
        """Judge the replies of the last turn; the conversation goes on with the preferred one.

        Raises:
            ChatError: there are no two replies to compare.
            StoreError: the folder cannot be written.
        """
        if self.unanswered:
            raise ChatError("your last message has no reply yet; /again asks again")
        turn = self.last
        turn.verdict = turn.judge(self.chat.persona, self.tree_id, choice)
        self._save()
        return turn.verdict

    def undo(self) -> str:
        """Take the last message and its replies back; return the message.

        Raises:
            ChatError: nothing was said yet.
            StoreError: the folder cannot be written.
        """
        if self.unanswered:
            text, self.unanswered = self.unanswered.user.content, None
        else:
            text = self.last.user.content
            self.turns.pop()
        self._save()
        return text

    def reveal(self) -> None:
        """Let the person know who wrote the replies so far."""
        for turn in self.turns:
            turn.named = True

    def _open(self) -> None:
        """Take hold of the folder with the first message."""
        if self.calls:
            return
        chat = self.chat
        seen = chat.prompts or None, chat.weights
        self._stack.enter_context(chat.folder.writing(chat.config, *seen))
        self._seed = self._find_seed(chat.folder.finished())
        events = self._stack.enter_context(appending(chat.folder.events))
        self.calls = CallLog.resumed(events, chat.config, patient=True)

    def _find_seed(self, there: Container[str]) -> int:
        """Return a seed that gives another tree than those in the folder or of other people."""
        given, persona = self.chat.seed, self.chat.persona
        for number in count():
            seed = secrets.randbits(31) if given is None else derive_seed(given, persona.id, number)
            if Tree.id_for(persona, seed) not in there:
                break
        return seed

    def _draw_order(self) -> tuple[str, ...]:
        """Draw by no seed: who has chatted before, or takes a message back, must not know it."""
        names = self.chat.names
        return names[::-1] if self.chat.blind and secrets.randbits(1) else names

    async def _answer(self, turn: ChatTurn, name: str, hear: HearReply) -> None:
        assert self.calls is not None
        agent = CandidateAgent(name=name, model=self.chat.models[name], calls=self.calls)
        try:
            async with self._turn_of(name):
                turn.replies[name] = await agent.reply(
                    self.tree_id, turn.path, turn.user, hear=partial(hear, name)
                )
        except (CallError, ModelError) as error:
            turn.failures[name] = str(error)

    async def _induce(self, turn: ChatTurn) -> str | None:
        model = self.chat.models.get("inducer")
        if model is None or turn.marked or self._unmarkable:
            return None
        assert self.calls is not None
        config = self.chat.config
        prompt = prompt_for("inducer", config, config.models.inducer)
        inducer = Inducer(model=model, calls=self.calls, prompt=prompt)
        try:
            async with self._turn_of("inducer"):
                found = await inducer.induce(self.tree_id, turn.user)
        except CallError:  # the wishes are marked all the same
            return None
        except ModelError as error:
            known, self._unmarkable = self._unmarkable, True
            return None if known else f"no model marks what you say any more: {error}"
        turn.take_marked(found)
        return None

    def _turn_of(self, name: str) -> AbstractAsyncContextManager[object]:
        """Let embedded models of different files take turns.

        Their threads would wait for each other, and both would be several times slower.
        """
        files = {each.name for each in self.chat.models.values() if each.name.startswith("local:")}
        alone = len(files) > 1 and self.chat.models[name].name in files
        return self._cores if alone else nullcontext()

    def _check(self, turn: ChatTurn) -> Checked:
        if self.chat.persona.facts and self.chat.config.simulation.check_ledger:
            return turn.hold_against(self.chat.persona, self.tree_id)
        return turn.user, []

    def _keep(self, turn: ChatTurn) -> None:
        if turn is self.unanswered:
            self.turns.append(turn)
            self.unanswered = None
        self._save()

    def _save(self) -> None:
        self.chat.folder.replace(self.tree_id, self.tree if self.said else None)
