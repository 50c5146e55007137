"""HTML pages out of Jinja2 templates.

A page is one file that opens from disk and asks the network for nothing; a content policy in its
head makes sure of that. What a model or a persona said is escaped wherever a template shows it, or
travels as data that scripts show as text.

A template stands beside the module that fills it in, extends `page.html` and takes tables, charts
and the like from `parts.html`; both are in `templates/`.
"""

import html as entities
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType

from aloe.chart import Curve

if TYPE_CHECKING:
    from jinja2 import Environment

Html = NewType("Html", str)
"""Markup made by this module."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""No request leaves the page, whatever stands in it."""

TEMPLATES = Path(__file__).parent / "templates"


def render_page(
    template: Path, title: str, data: dict[str, Any] | None = None, **values: Any
) -> str:
    """Return a whole page.

    Args:
        template: extends `page.html`: its block `main` is what the page shows, its block `script`
            the JavaScript that runs after `page.js`.
        title: of the window; a template shows it itself where it wants to.
        data: values by id that the script reads with `data(id)`.
        values: what the template fills in; all text in them is escaped.
    """
    found = _environment(template.parent).get_template(template.name)
    return found.render(title=title, policy=POLICY, data=data or {}, **values)


@cache
def _environment(folder: Path) -> "Environment":
    """Return what reads the templates of a folder and the shared ones, and escapes all text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # `tojson` also spells out `<`, so that no value ends its element
    made.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return made


WIDTH, HEIGHT = 480, 296
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 28, 48
"""Margins of a chart, in its own units."""
TICKS = 5
"""About as many lines across a chart."""


def escaped(text: object) -> Html:
    """Return any text as markup that shows it."""
    return Html(entities.escape(str(text)))


def joined(*parts: Html) -> Html:
    """Return parts of a page one after the other."""
    return Html("\n".join(parts))


def page(title: str, *parts: Html, script: str = "", data: dict[str, Any] | None = None) -> str:
    """Return a whole page.

    Args:
        title: of the window; not shown in the page.
        parts: what the page shows.
        script: JavaScript of the page's own, run after `page.js`; never made from data.
        data: values by id that the script reads with `data(id)`.
    """
    stored = "".join(
        f'<script type="application/json" id="{escaped(name)}">{_as_data(value)}</script>\n'
        for name, value in (data or {}).items()
    )
    scripts = f"<script>\n{_file('page.js')}{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{_file('page.css')}</style>\n</head>\n"
        f"<body>\n<main>\n{joined(*parts)}\n</main>\n{stored}{scripts}</body>\n</html>\n"
    )


def _as_data(value: Any) -> str:
    """Return JSON that cannot end its element: `<` stands in strings only, and is spelt out."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def tag(name: str, *parts: Html, **attributes: object) -> Html:
    """Return an element; `class_` is the attribute class, and None leaves an attribute out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{''.join(parts)}</{name}>")


def heading(text: str, note: str = "") -> Html:
    """Return the title of the page and a line below it."""
    below = tag("p", escaped(note), class_="dim") if note else Html("")
    return joined(tag("h1", escaped(text)), below)


def section(title: str, *parts: Html, id_: str | None = None) -> Html:
    """Return a part of the page under its title."""
    return tag("section", tag("h2", escaped(title), id=id_), *parts)


def paragraph(text: str, class_: str | None = None) -> Html:
    """Return a paragraph."""
    return tag("p", escaped(text), class_=class_)


def warning(text: str) -> Html:
    """Return a paragraph that stands out."""
    return paragraph(text, "warning")


def tiles(values: Iterable[tuple[str, str, str]]) -> Html:
    """Return large figures side by side: name, value and a note for each."""
    return tag(
        "div",
        *(
            tag(
                "div",
                tag("span", escaped(name), class_="small dim"),
                tag("b", escaped(value)),
                tag("span", escaped(note), class_="small dim"),
                class_="tile",
            )
            for name, value, note in values
        ),
        class_="tiles",
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: bool = True) -> Html:
    """Return a table that scrolls sideways where it has no room.

    Args:
        head: titles of the columns.
        rows: cells as text.
        numeric: whether all columns but the first hold numbers.
    """

    def cells(name: str, texts: Sequence[str]) -> Html:
        return tag(
            "tr",
            *(
                tag(name, escaped(text), class_="number" if numeric and place else None)
                for place, text in enumerate(texts)
            ),
        )

    body = tag("tbody", *(cells("td", row) for row in rows))
    return tag("div", tag("table", tag("thead", cells("th", head)), body), class_="scroll")


def fold(summary: Html, *parts: Html, open_: bool = False, **attributes: object) -> Html:
    """Return something that opens at a click."""
    shown = "" if open_ else None
    return tag("details", tag("summary", summary), *parts, open=shown, **attributes)


def message(
    role: str, text: str, *, meta: str = "", marks: Iterable[tuple[str, bool]] = ()
) -> Html:
    """Return one message of a dialogue.

    Args:
        role: `user` or `assistant`.
        text: what was said.
        meta: a small line above it.
        marks: small notes below it, each with whether it names a fault.
    """
    notes = [tag("span", escaped(note), class_="fault" if bad else None) for note, bad in marks]
    return tag(
        "div",
        tag("span", escaped(meta), class_="meta") if meta else Html(""),
        tag("span", escaped(text)),
        tag("div", *notes, class_="marks") if notes else Html(""),
        class_=f"message {role}",
    )


def line_chart(curves: Sequence[Curve], *, title: str, x_label: str, y_label: str) -> Html:
    """Return curves over the turns with their bands, as inline SVG with a legend."""
    values = [v for c in curves for v in (*c.levels, *c.low, *c.high) if v is not None]
    turns = max((len(curve.levels) for curve in curves), default=0)
    if not values:
        return Html("")
    ticks = _ticks(min(values), max(values))
    scale = _Scale(turns=turns, least=ticks[0], greatest=ticks[-1])
    drawn = [_grid(scale, ticks, x_label, y_label)]
    drawn += [_band(curve, number, scale) for number, curve in enumerate(curves)]
    drawn += [_line(curve, number, scale) for number, curve in enumerate(curves)]
    picture = tag(
        "svg",
        *drawn,
        class_="chart",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=title,
    )
    return tag("figure", tag("figcaption", escaped(title)), picture, _legend(curves))


def strip(levels: Iterable[float | None], least: float, greatest: float) -> Html:
    """Return one small box a level, darker the higher; a dotted box where there is none."""
    boxes = [
        tag("i", class_="none")
        if level is None
        else tag(
            "i",
            data_level=f"{level:.2f}",
            style=f"--level:{(level - least) / ((greatest - least) or 1):.2f}",
        )
        for level in levels
    ]
    return tag("span", *boxes, class_="strip")


@dataclass(frozen=True, kw_only=True)
class _Scale:
    turns: int
    least: float
    greatest: float

    def x(self, turn: int) -> float:
        return LEFT + (turn - 1) / max(self.turns - 1, 1) * (WIDTH - LEFT - RIGHT)

    def y(self, level: float) -> float:
        share = (level - self.least) / ((self.greatest - self.least) or 1.0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _ticks(least: float, greatest: float) -> list[float]:
    """Return round values from just below `least` to just above `greatest`."""
    span = (greatest - least) or abs(greatest) or 1.0
    power = 10.0 ** _floor_log10(span / TICKS)
    step = next(power * m for m in (1, 2, 5, 10) if power * m * TICKS >= span * 0.999)
    first = int(least // step)
    ticks = [first * step]
    while ticks[-1] < greatest - 1e-9 * span or len(ticks) < 2:
        ticks.append((first + len(ticks)) * step)
    return ticks


def _floor_log10(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def _grid(scale: _Scale, ticks: Sequence[float], x_label: str, y_label: str) -> Html:
    decimals = max(0, -_floor_log10(ticks[1] - ticks[0]))
    parts = []
    for tick in ticks:
        y = f"{scale.y(tick):.1f}"
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
        words = escaped(f"{tick:.{decimals}f}")
        parts.append(tag("text", words, x=LEFT - 6, y=y, dy="0.35em", text_anchor="end"))
    every = max(1, -(-scale.turns // 12))
    for turn in range(1, scale.turns + 1):
        if (turn - 1) % every == 0:
            x = f"{scale.x(turn):.1f}"
            parts.append(
                tag("text", escaped(turn), x=x, y=HEIGHT - BOTTOM + 19, text_anchor="middle")
            )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", escaped(x_label), x=middle, y=HEIGHT - 6, text_anchor="middle"))
    parts.append(tag("text", escaped(y_label), x=2, y=14))
    return joined(*parts)


def _band(curve: Curve, number: int, scale: _Scale) -> Html:
    edges = [
        (turn, low, high)
        for turn, (low, high) in enumerate(zip(curve.low, curve.high, strict=True), 1)
        if low is not None and high is not None
    ]
    if not edges:
        return Html("")
    upper = [f"{scale.x(turn):.1f},{scale.y(high):.1f}" for turn, _, high in edges]
    lower = [f"{scale.x(turn):.1f},{scale.y(low):.1f}" for turn, low, _ in reversed(edges)]
    return tag("polygon", class_="band", points=" ".join(upper + lower), style=_fill(number))


def _line(curve: Curve, number: int, scale: _Scale) -> Html:
    parts: list[str] = []
    for turn, level in enumerate(curve.levels, 1):
        if level is not None:
            joins = turn > 1 and curve.levels[turn - 2] is not None
            place = f"{scale.x(turn):.1f} {scale.y(level):.1f}"
            parts.append(f"L{place}" if joins else f"M{place}h0")
    dots = "6 5" if curve.dashed else None
    style = f"stroke:{_colour(number)}"
    return tag("path", class_="curve", d="".join(parts), stroke_dasharray=dots, style=style)


def _legend(curves: Sequence[Curve]) -> Html:
    return tag(
        "ul",
        *(
            tag(
                "li",
                tag(
                    "i",
                    class_="dashed" if curve.dashed else None,
                    style=f"color:{_colour(number)}",
                ),
                escaped(curve.name),
            )
            for number, curve in enumerate(curves)
        ),
        class_="legend",
    )


def _colour(number: int) -> str:
    return f"var(--c{number % 6})"


def _fill(number: int) -> str:
    return f"fill:{_colour(number)}"
