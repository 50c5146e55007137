"""A browser through the trees of a run: the views of `aloe trace`, with the arrow keys.

The left side shows the run as a tree of trees, the right side everything about the selection.
Jumps, search and filters work on the trees themselves (`aloe.views.grove`), not on the screen, and
open what they land in.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.filter import LineFilter
from textual.widgets import Footer, Input, Static
from textual.widgets import Tree as Branches

from aloe.calls.recorded_call import RecordedCall, read_calls
from aloe.config import MIN_MASS
from aloe.errors import AloeError
from aloe.label_sheet import BlindPair, LabelSheet, can_be_asked
from aloe.labels import LABELS, SEEN, Label
from aloe.number_format import counted
from aloe.views.browser_branch import Branch
from aloe.views.browser_screens import FilterScreen, HelpScreen, LabelScreen
from aloe.views.escape_filter import EscapeFilter
from aloe.views.grove import FILTERS, Grove, Grown, Place
from aloe.views.marks import LEGEND
from aloe.views.node import calls_about, node_view
from aloe.views.siblings import SiblingView, find_exchange
from aloe.views.tree import head

TALL = 30
"""Lines of a screen from which the legend is there from the start."""
MOVES = {"up, down": "move", "right, left": "open and enter, close and leave"}


class Browser(App[None]):
    """The whole screen.

    Args:
        read: returns the trees of the run as they are now.
        events: its events file; it need not exist. Labels go beside it.
        min_mass: as for `aloe.views.answers.Interpreter`.
    """

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-below"), (100, "-beside")]  # noqa: RUF012
    CSS = """
    #both { layout: vertical; }
    .-beside #both { layout: horizontal; }
    Branch { width: 1fr; height: 1fr; }
    #right { width: 1fr; height: 1fr; border-top: solid $primary; padding: 0 1; }
    .-beside #right { border-top: none; border-left: solid $primary; }
    #legend, #state { height: auto; color: $text-muted; }
    #prompt { border: none; height: 1; padding: 0; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search"),
        Binding("n", "hit(1)", "next hit", show=False),
        Binding("N", "hit(-1)", "hit before", show=False),
        Binding("x", "filter", "filter"),
        Binding("g", "goto", "go to"),
        Binding("d", "beside", "replies"),
        Binding("l", "label", "label"),
        Binding("r", "reload", "reload"),
        Binding("w", "raw", "answers in words / as they came", show=False),
        Binding("z", "zoom", "all the room for the message / half of it", show=False),
        Binding("k", "legend", "legend on / off", show=False),
        Binding("a", "jump('abstain', 1)", "next abstention", show=False),
        Binding("f", "jump('fault', 1)", "next fault", show=False),
        Binding("m", "jump('mind-reading', 1)", "next mind-reading reply", show=False),
        Binding("A", "jump('abstain', -1)", "abstention before", show=False),
        Binding("F", "jump('fault', -1)", "fault before", show=False),
        Binding("M", "jump('mind-reading', -1)", "mind-reading reply before", show=False),
        Binding("tab", "focus_next", "other side", show=False),
        Binding("escape", "leave_prompt", "leave what is typed", show=False),
        Binding("question_mark", "keys", "help"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, read: Callable[[], Grown], events: Path, min_mass: float = MIN_MASS) -> None:
        super().__init__(ansi_color=True)
        self._read = read
        self._events = events
        self._min_mass = min_mass
        self._grove = Grove(read())
        self._calls: tuple[str, list[RecordedCall]] | None = None
        self._siblings = False
        self._raw = False
        self._search = ""
        self._typed: Callable[[str], None] = self._find

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what every line passes before the terminal gets it."""
        return [*super().get_line_filters(), EscapeFilter()]

    def compose(self) -> ComposeResult:
        """Lay out both sides, the legend, what is to be said and the keys."""
        with Container(id="both"):
            yield Branch(self._grove)
            with VerticalScroll(id="right"):
                yield Static(id="words")
        yield Static(Text(LEGEND), id="legend")
        yield Static(id="state")
        yield Input(id="prompt")
        yield Footer()

    def on_mount(self) -> None:
        """Choose the first tree."""
        self.query_one("#legend").display = self.size.height >= TALL
        self._branch.focus()
        self._say_state()
        self._go((0, None))

    @property
    def _branch(self) -> Branch:
        return self.query_one(Branch)

    def on_tree_node_expanded(self, event: Branches.NodeExpanded[Place]) -> None:
        """Hang in the messages of a tree that is opened."""
        if event.node.data:
            self._branch.fill(event.node.data[0])

    def on_tree_node_highlighted(self, event: Branches.NodeHighlighted[Place]) -> None:
        """Show what is chosen."""
        self._show(event.node.data)

    def _go(self, place: Place) -> None:
        self._branch.go(place)

    # What is typed.

    def _ask(self, what: str, then: Callable[[str], None]) -> None:
        """Let the person type a line."""
        prompt = self.query_one("#prompt", Input)
        self._typed, prompt.placeholder, prompt.value = then, what, ""
        prompt.display = True
        prompt.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Do what was asked for."""
        self.action_leave_prompt()
        self._typed(event.value.strip())

    def action_leave_prompt(self) -> None:
        """Go back to the trees."""
        self.query_one("#prompt").display = False
        self._branch.focus()

    def action_search(self) -> None:
        """Ask for a text, and go to the next place that has it."""
        self._ask("search for (nothing: end the search)", self._find)

    def _find(self, text: str) -> None:
        self._search = text
        self._say_state()
        if text:
            self.action_hit(1)
        self._show(self._branch.place)

    def action_hit(self, step: int) -> None:
        """Go to the next place that has what is searched for, or the one before."""
        if not self._search:
            self.notify("nothing is searched for; / asks for a text")
        elif found := self._grove.find_text(self._search):
            self._say_state(self._step(found, step))
        else:
            self.notify(f"nothing here has '{self._search}'")

    def _step(self, found: Sequence[Place], step: int) -> Place:
        place = self._grove.find_next(found, self._branch.place, step)
        self._go(place)
        return place

    def action_goto(self) -> None:
        """Ask for the beginning of an id, and go there."""
        self._ask("go to the id that starts with", self._go_to_id)

    def _go_to_id(self, start: str) -> None:
        found = self._grove.find_ids(start) if start else []
        if found:
            self._go(found[0])
        if len(found) != 1:
            self.notify(f"{len(found) or 'no'} ids start with '{start}'")

    def action_jump(self, kind: str, step: int) -> None:
        """Go to the next message of a kind, or the one before; round at the end."""
        if found := self._grove.find_kind(kind):
            self._step(found, step)
        else:
            self.notify(f"no {kind} in these trees")

    # What is shown.

    def action_filter(self) -> None:
        """Ask what to show alone."""
        counts = {name: self._grove.count(name) for name in FILTERS if name != "persona"}
        self.push_screen(FilterScreen(counts), self._narrow)

    def _narrow(self, only: str | None) -> None:
        if only == "persona":
            self._ask("words of the persona", lambda words: self._keep("persona", words))
        elif only is not None:
            self._keep(only)

    def _keep(self, only: str, words: str = "") -> None:
        narrowed = self._grove.narrow(only, words)
        if narrowed.numbers:
            self._redraw(narrowed)
        else:
            self.notify(f"there are no {FILTERS[only]}".removesuffix(" ..."))

    def action_reload(self) -> None:
        """Read the run again, and show what was shown."""
        try:
            grown = Grove(self._read(), self._grove.only, self._grove.words)
        except AloeError as error:
            self.notify(str(error), severity="error")
            return
        self._calls = None
        self._redraw(grown if grown.numbers else grown.narrow(""))

    def _redraw(self, grove: Grove) -> None:
        """Show other trees, with what is open and chosen as it was where that is still there."""
        branch, before = self._branch, self._grove
        place, opened = branch.place, {before.trees[number].id for number in branch.opened}
        numbers = {grove.trees[number].id: number for number in grove.numbers}
        self._grove = grove
        branch.grow(grove)
        for tree in opened & numbers.keys():
            branch.open(numbers[tree])
        number = numbers.get(before.trees[place[0]].id) if place else None
        here = (number, place[1]) if place and number is not None else grove.places[0]
        self._go(here if here in grove.places else (here[0], None))
        self._say_state()

    def _say_state(self, hit: Place | None = None) -> None:
        """Say which trees are shown, and how far the search is."""
        grove, parts = self._grove, []
        if grove.only:
            words = FILTERS[grove.only].removesuffix("some words in them ...")
            words += f"'{grove.words}' in them" if grove.words else ""
            parts.append(f"{words}: {len(grove.numbers)} of {counted(len(grove.trees), 'tree')}")
        if grove.unfinished:
            working = "a process is working" if grove.running else "no process is working"
            parts.append(f"{counted(len(grove.unfinished), 'tree')} unfinished, {working}")
        if self._search:
            found = grove.find_text(self._search)
            place = f"{found.index(hit) + 1} of {len(found)}" if hit else str(len(found))
            parts.append(f"'{self._search}': {place}")
        state = self.query_one("#state", Static)
        state.update(Text("   ".join(parts)))
        state.display = bool(parts)

    def action_keys(self) -> None:
        """Show all keys."""
        keys = {
            binding.key.replace("slash", "/").replace("question_mark", "?"): binding.description
            for binding in self.BINDINGS
            if isinstance(binding, Binding)
        }
        self.push_screen(HelpScreen(MOVES | keys))

    def action_legend(self) -> None:
        """Hide the legend, or show it again."""
        legend = self.query_one("#legend")
        legend.display = not legend.display

    def action_zoom(self) -> None:
        """Give the right side all the room, or half of it again."""
        branch = self._branch
        branch.display = not branch.display
        (branch if branch.display else self.query_one("#right")).focus()

    def action_beside(self) -> None:
        """Show replies side by side instead of the calls for one, or the other way round."""
        self._siblings = not self._siblings
        self._show(self._branch.place)

    def action_raw(self) -> None:
        """Show answers as they came instead of in words, or the other way round."""
        self._raw = not self._raw
        self._show(self._branch.place)

    def _show(self, place: Place | None) -> None:
        if place is not None:
            self.query_one("#right").scroll_home(animate=False)
            self.query_one("#words", Static).update(self._picture(*place))

    def _picture(self, number: int, name: str | None) -> RenderableType:
        tree = self._grove.trees[number]
        if name is None:
            begun = tree.id in self._grove.unfinished
            return Group(head(tree), Text("unfinished" if begun else "", "yellow"))
        node = tree.by_id[name]
        user, replies = find_exchange(tree, node)
        if self._siblings and replies:
            return SiblingView(tree, user, replies, raw=self._raw)
        calls = calls_about(tree, node, self._exchanges(tree.id))
        return node_view(
            tree, node, calls, raw=self._raw, search=self._search, min_mass=self._min_mass
        )

    def _exchanges(self, tree: str) -> list[RecordedCall]:
        """Return the calls of a tree; those of the last one are kept."""
        if self._calls is None or self._calls[0] != tree:
            self._calls = tree, read_calls(self._events, tree)
        return self._calls[1]

    # Labels.

    def action_label(self) -> None:
        """Ask which of two replies is better."""
        try:
            sheet = LabelSheet(self._events.with_name(LABELS), SEEN)
        except AloeError as error:
            self.notify(str(error), severity="error")
            return
        pairs = self._pairs()
        todo = [pair for pair in pairs if pair.id not in sheet.answered()] or pairs
        if not todo:
            self.notify("choose a message with two different replies that a judge compared")
            return
        place = f"{pairs.index(todo[0]) + 1} of {len(pairs)} comparisons here"
        self.push_screen(LabelScreen(todo[0], place), lambda label: self._enter(sheet, label))

    def _pairs(self) -> list[BlindPair]:
        """Return the comparisons of the replies to what is chosen, or beside it."""
        number, name = self._branch.place or (0, None)
        if name is None:
            return []
        tree = self._grove.trees[number]
        user, _ = find_exchange(tree, tree.by_id[name])
        found = (each for each in tree.verdicts_on(user.id) if can_be_asked(tree, each))
        return [BlindPair(tree=tree, verdict=verdict, rater=SEEN) for verdict in found]

    def _enter(self, sheet: LabelSheet, label: Label | None) -> None:
        if label is None:
            return
        try:
            sheet.add(label)
        except AloeError as error:
            self.notify(str(error), severity="error")
            return
        labels = counted(len(sheet.answered()), "label")
        self.notify(f"kept in {sheet.path}: {labels} of '{SEEN}'")
