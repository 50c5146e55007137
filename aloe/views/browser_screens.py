"""What the browser puts before the trees: its keys, the filters, and two replies to choose from."""

import time
from collections.abc import Iterable, Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from aloe.label_sheet import BlindPair
from aloe.labels import SEEN, Label
from aloe.views.folding import grid
from aloe.views.grove import FILTERS
from aloe.views.marks import LEGEND
from aloe.views.question import LabelQuestion

KEYS = "a / b: better reply   t: tie   s: skip   esc: back"
NOTE = (
    f"The trees show the judge's marks, so this answer is kept under the rater '{SEEN}' and not "
    "compared with the judge; aloe label asks blind."
)
BOX = """
    align: center middle;
    #box { width: 90%; max-width: 100; height: auto; max-height: 90%; border: round $primary;
           background: $surface; padding: 0 1; }
"""


class HelpScreen(ModalScreen[None]):
    """All keys, and what the marks mean."""

    CSS = f"HelpScreen {{ {BOX} }}"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q", "dismiss", "close")]

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Lay out keys and marks."""
        with VerticalScroll(id="box"):
            yield Static(grid(self._keys))
            yield Static(Text(f"\n{LEGEND}", "dim"))

    def on_mount(self) -> None:
        """Let the arrows scroll."""
        self.query_one("#box").focus()


class FilterScreen(ModalScreen[str | None]):
    """The filters, each with the number of trees that have something of it."""

    CSS = f"FilterScreen {{ {BOX} }}"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "close")]

    def __init__(self, counts: Mapping[str, int]) -> None:
        super().__init__()
        self._counts = counts

    def compose(self) -> ComposeResult:
        """Lay out the filters."""
        yield OptionList(*self._options(), id="box")

    def _options(self) -> Iterable[Option]:
        for name, words in FILTERS.items():
            count = f": {self._counts[name]}" if name in self._counts else ""
            yield Option(Text(words + count), id=name or "everything")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the name of the filter."""
        self.dismiss("" if event.option.id == "everything" else event.option.id)


class LabelScreen(ModalScreen[Label | None]):
    """Two replies, as `aloe label` asks about them."""

    CSS = f"LabelScreen {{ {BOX} }}"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "dismiss", "back")]

    def __init__(self, pair: BlindPair, place: str) -> None:
        super().__init__()
        self._pair = pair
        self._place = place
        self._started = time.monotonic()

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        pair = self._pair
        with VerticalScroll(id="box"):
            yield Static(LabelQuestion(pair.tree, pair.a, pair.b, self._place, KEYS))
            yield Static(Text(NOTE, "dim"))

    def on_mount(self) -> None:
        """Let the arrows scroll, from the replies on up."""
        self.query_one("#box").focus()
        self.query_one("#box").scroll_end(animate=False)

    def on_key(self, event: Key) -> None:
        """Take an answer."""
        key = event.character or ""
        if key in self._pair.answers:
            event.stop()
            self.dismiss(self._pair.label(key, time.monotonic() - self._started))
