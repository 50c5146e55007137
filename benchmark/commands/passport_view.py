"""A judge's passport as a person reads it in a terminal."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from aloe.number_format import format_number
from aloe.views.folding import Table

if TYPE_CHECKING:
    from aloe.passport import Effect, Passport, Share


def passport_view(passport: "Passport") -> RenderableType:
    """Return the passport as a person reads it."""
    title = f"{' + '.join(passport.judge.models)}, {passport.against}"
    figures = Table(box=None, header_style="bold", title=title)
    figures.add_column("")
    figures.add_column("value", justify="right")
    figures.add_column("95% interval", justify="right")
    figures.add_column("of", justify="right")
    for name, share in _shares(passport):
        figures.add_row(name, *_cells(share, "{:.0%}"))
    for name, effect in _effects(passport):
        figures.add_row(name, *_cells(effect, "{:+.0%}"))
    for name, number in (
        ("probability of an answer", passport.mass),
        ("kappa with the labels", passport.kappa),
        ("alpha with the labels", passport.alpha),
        ("confidence slope per nat", passport.slope),
        ("Brier score", passport.brier),
    ):
        figures.add_row(name, format_number(number))
    kinds = Table(box=None, header_style="bold", title="accuracy by kind")
    for name in ("kind", "value", "95% interval", "of"):
        kinds.add_column(name, justify="left" if name == "kind" else "right")
    for kind, share in passport.by_kind.items():
        kinds.add_row(kind, *_cells(share, "{:.0%}"))
    return Group(figures, "", kinds)


def _shares(passport: "Passport") -> list[tuple[str, "Share"]]:
    found = [
        ("accuracy (of the decided)", passport.accuracy),
        ("decided", passport.coverage),
        ("mirrored couples both right", passport.mirrored),
        ("flips with the order", passport.flips),
        ("votes for the first shown", passport.first_slot),
        ("unreadable votes", passport.unreadable),
    ]
    if passport.choices and passport.choices.agreement:
        found.append(("agrees with one person", passport.choices.agreement))
        found.append(("two people agree", passport.choices.ceiling))
    return found + ([("votes read as odds", passport.odds)] if passport.odds else [])


def _effects(passport: "Passport") -> list[tuple[str, "Effect"]]:
    found = [("length bias", passport.length_effect)]
    if passport.self_preference:
        found.append(("self-preference", passport.self_preference))
    return found


def _cells(figure: "Share | Effect", form: str) -> tuple[str, str, str]:
    if figure.value is None:
        return "-", "-", "0"
    value, low, high = (format_number(n, form) for n in (figure.value, figure.low, figure.high))
    return value, f"{low} to {high}", str(figure.count)
