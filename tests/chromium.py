"""Pages in a real browser, without a window and without a network.

Debian's `chromium` is used where it is installed; elsewhere the tests that need it are skipped.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from html import escape, unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="there is no chromium here: apt-get install chromium"
)

WIDTHS = (1400, 420)

OPEN_ALL = "for (const fold of document.querySelectorAll('details')) fold.open = true;"

PROBE = """
const wait = () => new Promise((done) => setTimeout(done, 100));
addEventListener("load", async () => {
  for (let depth = 0; depth < 3; depth += 1) { await wait(); OPEN }
  await wait();
  // contrast is computed from the stylesheet, in both themes: tests/aloe/test_stylesheet.py
  const rules = { "color-contrast": { enabled: false } };
  const options = { resultTypes: ["violations"], rules };
  const found = window.axe ? await axe.run(options) : { violations: [] };
  const wide = [...document.querySelectorAll("body *")].filter(
    (each) => !each.closest(".scroll, .sr") && each.getBoundingClientRect().right > innerWidth + 1);
  const start = (each) => each.outerHTML.slice(0, 120);
  parent.document.getElementById(frameElement.id + "-found").textContent = JSON.stringify({
    title: document.title,
    text: document.querySelector("main").textContent,
    overflow: document.documentElement.scrollWidth - innerWidth,
    wide: wide.map(start),
    violations: found.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes[0].html}`),
    ...(await use()),
  });
});
async function use() {
  document.getElementById("collapse").click();
  const open = () => document.querySelectorAll("details.item[open]").length, collapsed = open();
  location.hash = "#" + LINK;
  await wait();
  const search = document.getElementById("search"), linked = document.querySelector(".target");
  search.value = SEARCH;
  search.dispatchEvent(new Event("input"));
  await wait(); await wait(); await wait();
  const marks = [...document.querySelectorAll("mark")].map((each) => each.textContent);
  const found = document.getElementById("found").textContent;
  return { collapsed, linked: linked && linked.id, opened: open(), found, marks };
}
""".replace("OPEN", OPEN_ALL)
"""Opens all folds, those inside folds as well, tells how the page stands, and uses it."""


def open_page(url: str, *arguments: str, profile: Path) -> subprocess.CompletedProcess[str]:
    """Open a page in the browser, with no server but ours to ask: names resolve to nothing."""
    assert PROGRAM is not None
    return subprocess.run(
        [
            PROGRAM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--enable-logging=stderr",
            "--virtual-time-budget=5000",
            f"--user-data-dir={profile}",
            *arguments,
            url,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def dom(url: str, *, profile: Path) -> str:
    """Return the document as it is after the scripts of a page have run for some seconds.

    Raises:
        AssertionError: a script failed, or the page asked for something it may not have.
    """
    opened = open_page(url, "--dump-dom", profile=profile)
    said = [line for line in opened.stderr.splitlines() if "CONSOLE" in line]
    assert said == [], said
    return opened.stdout


SEARCHING = """
addEventListener("load", async () => {
  const found = {}, search = document.getElementById("search");
  for (const query of QUERIES) {
    search.value = query;
    search.dispatchEvent(new Event("input"));
    await new Promise((done) => setTimeout(done, 300));
    document.getElementById("expand").click();
    const marks = [...document.querySelectorAll("mark")].map((each) => each.textContent);
    found[query] = [document.getElementById("found").textContent, marks];
  }
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify(found);
  document.body.append(told);
});
"""


def search_in(page: str, queries: Sequence[str], folder: Path) -> dict[str, tuple[str, list[str]]]:
    """Return what a page says it found for each of some queries, and what it marked.

    Args:
        page: HTML.
        queries: what is searched for, one after the other.
        folder: where the browser may write.
    """
    script = f"<script>const QUERIES = {json.dumps(queries)};{SEARCHING}</script></body>"
    path = folder / "searched.html"
    path.write_text(page.replace("</body>", script), encoding="utf-8")
    told = re.search(
        r'id="told">(.*?)</pre>', dom(path.as_uri(), profile=folder / "profile"), re.DOTALL
    )
    assert told
    return {query: (said, marks) for query, (said, marks) in json.loads(unescape(told[1])).items()}


def look_at(
    pages: Mapping[str, str], folder: Path, *, links: Mapping[str, str], search: str
) -> dict[tuple[str, int], dict[str, Any]]:
    """Return how each page stands at each of the `WIDTHS`, all of its folds open.

    All are frames of one page, for a browser takes longer to start than to show them. Where its
    package is installed, axe-core looks at the narrow ones: width is nothing to it.

    Args:
        pages: HTML by name.
        folder: where the browser may write.
        links: id of a message by page, which is then gone to.
        search: what is searched for after that.
    """
    axe = _axe()

    def probed(name: str, width: int) -> str:
        known = f"const LINK = {json.dumps(links[name])}, SEARCH = {json.dumps(search)};"
        script = f"<script>{axe if width == WIDTHS[-1] else ''}</script>"
        script += f"<script>{known}{PROBE}</script></body>"
        return escape(pages[name].replace("</body>", script))

    frames = [
        f'<iframe id="{name}-{width}" width="{width}" height="900" '
        f'srcdoc="{probed(name, width)}"></iframe>'
        f'<pre id="{name}-{width}-found"></pre>'
        for name in pages
        for width in WIDTHS
    ]
    path = folder / "frames.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{''.join(frames)}", encoding="utf-8")
    seen = dom(path.as_uri(), profile=folder / "profile")
    found = {}
    for name in pages:
        for width in WIDTHS:
            told = re.search(rf'id="{name}-{width}-found">(.*?)</pre>', seen, re.DOTALL)
            assert told, f"{name} at {width} told nothing"
            found[name, width] = json.loads(unescape(told[1]))
    return found


def _axe() -> str:
    """Return the source of axe-core; empty where its package is not installed."""
    package = find_spec("axe_core_python")
    if package is None or package.origin is None:
        return ""
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")
