"""What is wrong with the markup of a page: elements, ids, labels, headings, without a browser."""

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "hr", "img", "line", "path", "polygon"}
CONTROLS = {"input", "select", "button", "iframe", "nav", "summary", "svg", "a", "option"}
HEADINGS = {f"h{level}": level for level in range(1, 7)}


class Markup(HTMLParser):
    """Reads a page and collects its faults."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.ids: set[str] = set()
        self.heading = 0
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.seen.add(tag)
        if len(found) < len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if (name := found.get("id")) is not None:
            if name in self.ids:
                self.faults.append(f"id {name} is there twice")
            self.ids.add(name)
        if level := HEADINGS.get(tag):
            if level > self.heading + 1:
                self.faults.append(f"<{tag}> follows a heading of level {self.heading}")
            self.heading = level
        if tag in {"input", "select"} and not self._is_labelled(found):
            self.faults.append(f"<{tag}> {name} has no label")
        if tag == "html" and not found.get("lang"):
            self.faults.append("the page names no language")
        if tag not in VOID:
            self.open.append((tag, found))
            self.texts.append("")

    def _is_labelled(self, found: dict[str, str | None]) -> bool:
        return bool(found.get("aria-label")) or any(tag == "label" for tag, _ in self.open)

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1][0] != tag:
            self.faults.append(f"</{tag}> ends nothing that is open")
            return
        (_, found), text = self.open.pop(), self.texts.pop()
        named = text.strip() or found.get("aria-label") or found.get("title")
        if tag in CONTROLS and not named:
            self.faults.append(f"<{tag}> has no name")
        if self.texts:
            self.texts[-1] += text


def faults_of(page: str) -> list[str]:
    """Return what is wrong with a page; its scripts may still draw more."""
    return list(_faults(page))


def _faults(page: str) -> Iterator[str]:
    markup = Markup()
    markup.feed(page)
    markup.close()
    yield from markup.faults
    yield from (f"<{tag}> is never ended" for tag, _ in markup.open)
    yield from (f"there is no <{tag}>" for tag in ("title", "main", "h1") if tag not in markup.seen)
    if not page.startswith("<!doctype html>"):
        yield "there is no doctype"
