"""The parts of HTML pages: nothing anybody said becomes markup, and nothing leaves the page."""

import re
from pathlib import Path

import pytest
from chromium import dom, needs_chromium

from aloe.page import (
    Curve,
    escaped,
    fold,
    heading,
    line_chart,
    message,
    page,
    paragraph,
    section,
    strip,
    table,
    tag,
    tiles,
    warning,
)

EVIL = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)


def everything() -> str:
    """A page in which every part says the same evil thing."""
    return page(
        EVIL,
        heading(EVIL, EVIL),
        section(EVIL, paragraph(EVIL), warning(EVIL), id_=EVIL),
        tiles([(EVIL, EVIL, EVIL)]),
        table([EVIL, EVIL], [[EVIL, EVIL]]),
        fold(escaped(EVIL), message("user", EVIL, meta=EVIL, marks=[(EVIL, True)]), id=EVIL),
        line_chart([Curve(name=EVIL, levels=[1, 2])], title=EVIL, x_label=EVIL, y_label=EVIL),
        tag("p", escaped(EVIL), class_=EVIL, title=EVIL),
        script="const said = data('said');\n"
        "document.body.append(message('user', said, said, [[said, true]]));\n",
        data={"said": EVIL},
    )


def test_nothing_said_becomes_markup() -> None:
    html = everything()
    assert "<img" not in html
    assert html.count("<script") == html.count("</script>") == 2
    assert re.findall(r"""(?:src|href)=["']?(?!x)""", html) == []
    assert "http" not in html.replace("http-equiv", "")


@needs_chromium
def test_a_browser_runs_nothing_that_was_said(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(everything(), encoding="utf-8")
    found = dom(path, profile=tmp_path / "profile")
    assert "<title>owned" not in found
    assert "<img" not in found
    assert found.count('<div class="message user">') == 2


def test_the_policy_lets_nothing_in() -> None:
    policy = re.search(r'Security-Policy" content="([^"]*)"', page("t"))
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "*" not in policy[1]


def test_a_gap_in_a_curve_stays_a_gap() -> None:
    chart = line_chart(
        [Curve(name="a", levels=[1, 2, None, 3, 4])], title="t", x_label="x", y_label="y"
    )
    path = re.search(r'class="curve" d="([^"]*)"', chart)
    assert path
    assert path[1].count("M") == 2
    assert path[1].count("L") == 2


def test_a_chart_holds_its_curves_and_bands() -> None:
    curve = Curve(name="a", levels=[1.0, 3.0], low=[0.5, None], high=[1.5, None])
    chart = line_chart([curve], title="t", x_label="x", y_label="y")
    points = [float(n) for n in re.findall(r"[\d.]+", re.findall(r'points="([^"]*)"', chart)[0])]
    view = re.search(r'viewBox="0 0 (\d+) (\d+)"', chart)
    assert view
    assert all(0 <= x <= int(view[1]) for x in points[::2])
    assert all(0 <= y <= int(view[2]) for y in points[1::2])


@pytest.mark.parametrize("levels", [[3.0], [2.0, 2.0], [0.0, 0.0], [-0.2, 0.4], [1e-4, 2e-4]])
def test_flat_short_and_negative_series_have_ticks_around_them(levels: list[float]) -> None:
    chart = line_chart([Curve(name="a", levels=levels)], title="t", x_label="x", y_label="y")
    ticks = [float(n) for n in re.findall(r'text-anchor="end">(-?[\d.]+)<', chart)]
    assert min(ticks) <= min(levels)
    assert max(levels) <= max(ticks)
    assert len(set(ticks)) == len(ticks) >= 2


def test_nothing_to_draw_draws_nothing() -> None:
    nothing = [Curve(name="a", levels=[None, None])]
    assert line_chart(nothing, title="t", x_label="x", y_label="y") == ""


def test_a_strip_shows_what_is_missing() -> None:
    found = strip([1.0, None, 5.0], 1.0, 5.0)
    assert found.count("<i") == 3
    assert found.count('class="none"') == 1
    assert "--level:0.00" in found
    assert "--level:1.00" in found
