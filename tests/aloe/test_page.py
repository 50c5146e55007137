"""The parts of HTML pages: nothing anybody said becomes markup, and nothing leaves the page."""

import re
from html import unescape
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from wellformed import faults_of

from aloe.chart import Chart, Curve
from aloe.page import POLICY, Live, render_page

EVIL = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)

EVERYTHING = """
{% extends "page.html" %}
{% from "parts.html" import chart, strip, table, tiles, tools, top %}
{% block main %}
{{ top(said, said, said, said, [(said, said)], said) }}
<h1 id="{{ said }}" class='{{ said }}'>{{ said }}</h1>
{{ tools(said, {said: said}, {said: said}) }}
{{ tiles([(said, said, said)]) }}
{{ table([said, said], [[said, said]]) }}
{{ chart(drawn) }}
{{ strip([1.0, none], 1.0, 5.0) }}
{% endblock %}
{% block script %}
const said = data('said');
const head = [[said, 'who', said]], marks = [['fault', said, said]];
document.body.append(message({ role: 'user', text: said, id: said, head, marks }));
document.body.append(pairs([[said, said]]));
{% endblock %}
"""


def render(folder: Path, template: str, title: str = "t", **values: object) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "template.html"
    path.write_text(template, encoding="utf-8")
    return render_page(path, title, **values)  # type: ignore[arg-type]


def everything(folder: Path) -> str:
    """A page in which every part says the same evil thing."""
    curves = [Curve(name=EVIL, levels=[1, 2])]
    drawn = Chart(
        title=EVIL, x_label=EVIL, y_label=EVIL, curves=curves, counted=EVIL, counts=["1", "2"]
    )
    return render(folder, EVERYTHING, EVIL, data={"said": EVIL}, said=EVIL, drawn=drawn)


def drawing(folder: Path, *curves: Curve) -> str:
    template = '{% from "parts.html" import chart %}{{ chart(drawn) }}'
    drawn = Chart(title="t", x_label="x", y_label="y", curves=curves)
    return render(folder, template, drawn=drawn)


def test_nothing_said_becomes_markup(tmp_path: Path) -> None:
    html = everything(tmp_path)
    assert "<img" not in html
    assert html.count("<script") == html.count("</script>") == 2
    assert re.findall(r"""(?:src|href)=["'](?!#|&lt;)""", html) == []
    assert "http" not in html.replace("http-equiv", "")


def test_the_policy_lets_nothing_in(tmp_path: Path) -> None:
    policy = re.search(r'Security-Policy" content="([^"]*)"', everything(tmp_path))
    assert policy
    assert unescape(policy[1]).startswith("default-src 'none'")
    assert "*" not in policy[1]


def test_a_served_page_may_ask_its_server_and_no_other(tmp_path: Path) -> None:
    live = Live(state="/runs/a/state", version="7")
    page = render(tmp_path, '{% extends "page.html" %}', live=live)
    policy = re.search(r'Security-Policy" content="([^"]*)"', page)
    assert policy
    assert unescape(policy[1]) == f"{POLICY}; connect-src 'self'; frame-src 'self'"
    assert '{"state":"/runs/a/state","version":"7"}' in page
    assert "connect-src" not in everything(tmp_path)


def test_a_gap_in_a_curve_stays_a_gap(tmp_path: Path) -> None:
    chart = drawing(tmp_path, Curve(name="a", levels=[1, 2, None, 3, 4]))
    path = re.search(r'class="curve" d="([^"]*)"', chart)
    assert path
    assert path[1].count("M") == 2
    assert path[1].count("L") == 2


def test_a_chart_holds_its_curves_and_bands(tmp_path: Path) -> None:
    curve = Curve(name="a", levels=[1.0, 3.0], low=[0.5, None], high=[1.5, None])
    chart = drawing(tmp_path, curve)
    points = [float(n) for n in re.findall(r"[\d.]+", re.findall(r'points="([^"]*)"', chart)[0])]
    view = re.search(r'viewBox="0 0 (\d+) (\d+)"', chart)
    assert view
    assert all(0 <= x <= int(view[1]) for x in points[::2])
    assert all(0 <= y <= int(view[2]) for y in points[1::2])


def test_a_band_is_drawn_over_the_turns_that_have_one(tmp_path: Path) -> None:
    low, high = [1.0, 1.0, None, 1.0, None], [2.0, 2.0, None, 2.0, None]
    chart = drawing(tmp_path, Curve(name="a", levels=[1.5] * 5, low=low, high=high))
    turns = [float(x) for x in re.findall(r'<text x="([^"]*)" y="[^"]*" text-anchor="mid', chart)]
    drawn = re.findall(r'class="band" points="([^"]*)"', chart)
    spans = [sorted({float(corner.split(",")[0]) for corner in each.split()}) for each in drawn]
    assert spans == [turns[:2], [turns[3] - 2, turns[3] + 2]]


@pytest.mark.parametrize("levels", [[3.0], [2.0, 2.0], [0.0, 0.0], [-0.2, 0.4], [1e-4, 2e-4]])
def test_flat_short_and_negative_series_have_ticks_around_them(
    levels: list[float], tmp_path: Path
) -> None:
    chart = drawing(tmp_path, Curve(name="a", levels=levels))
    ticks = [float(n) for n in re.findall(r'text-anchor="end">(-?[\d.]+)<', chart)]
    assert min(ticks) <= min(levels)
    assert max(levels) <= max(ticks)
    assert len(set(ticks)) == len(ticks) >= 2


def test_a_given_axis_is_shown_whatever_the_levels_are(tmp_path: Path) -> None:
    template = '{% from "parts.html" import chart %}{{ chart(drawn) }}'
    shown = []
    for levels in ([40.0, 41.0], [2.0, 99.0]):
        curve = Curve(name="a", levels=levels)
        drawn = Chart(title="t", x_label="x", y_label="%", curves=[curve], axis=(0, 100))
        page = render(tmp_path, template, drawn=drawn)
        shown.append(re.findall(r'text-anchor="end">(-?[\d.]+)<', page))
    assert shown[0] == shown[1] == ["0", "20", "40", "60", "80", "100"]


def test_counts_and_numbers_stand_below_the_chart(tmp_path: Path) -> None:
    curve = Curve(name="a", levels=[0.5, None], low=[0.25, None], high=[12.345, None])
    drawn = Chart(
        title="t",
        x_label="turn",
        y_label="",
        curves=[curve],
        counts=["1,234", "7"],
        counted="replies",
    )
    page = render(tmp_path, '{% from "parts.html" import chart %}{{ chart(drawn) }}', drawn=drawn)
    assert re.findall(r'class="count">([^<]*)<', page) == ["1,234", "7"]
    cells = re.findall(r"<t[hd](?: [^>]*)?>([^<]*)<", page)
    head = ["turn", "replies", "a"]
    assert cells == [*head, "1", "1,234", "0.500 (0.250 to 12.3)", "2", "7", "-"]


def test_nothing_to_draw_draws_nothing(tmp_path: Path) -> None:
    assert drawing(tmp_path, Curve(name="a", levels=[None, None])).strip() == ""


def test_a_strip_shows_what_is_missing(tmp_path: Path) -> None:
    template = '{% from "parts.html" import strip %}{{ strip([1.0, none, 5.0], 1.0, 5.0) }}'
    found = render(tmp_path, template)
    assert found.count("<i") == 3
    assert found.count('class="none"') == 1
    assert "--level:0.00" in found
    assert "--level:1.00" in found


def test_what_a_template_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError, match="missing"):
        render(tmp_path, "{{ missing }}")


@pytest.mark.parametrize(
    ("markup", "fault"),
    [
        ("<p>a</b></p>", "</b> ends nothing that is open"),
        ("<div>", "</main> ends nothing that is open"),
        ("<i id=a></i><i id=a></i>", "id a is there twice"),
        ("<input id=a>", "<input> a has no label"),
        ("<label>b</label><select><option>c</option></select>", "<select> None has no label"),
        ("<button></button>", "<button> has no name"),
        ("<h3>a</h3>", "<h3> follows a heading of level 1"),
    ],
)
def test_faults_of_markup_are_seen(tmp_path: Path, markup: str, fault: str) -> None:
    text = f'{{% extends "page.html" %}}{{% block main %}}<h1>t</h1>{markup}{{% endblock %}}'
    assert fault in faults_of(render(tmp_path, text))
    assert faults_of(render(tmp_path, text.replace(markup, "<p>a</p>"))) == []
