"""The notebook runs as it stands, cell by cell in one running loop, and shows what it says.

A notebook's kernel is a loop that is running already, with `await` at the top level of a cell; that
is all of a kernel that matters here, so none has to be installed to test it.
"""

import ast
import asyncio
import inspect
import json
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parent.parent / "examples/quickstart.ipynb"


async def run(source: str, names: dict[str, Any]) -> tuple[str, Any]:
    """Run one cell; return what it printed and the value of its last line, None for none."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    with redirect_stdout(StringIO()) as printed:
        made = eval(compile(ast.Module(body, []), "cell", "exec", flags), names)
        if inspect.iscoroutine(made):
            await made
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval", flags), names)
    return printed.getvalue(), value


def test_the_notebook_runs_and_shows_what_it_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    root = NOTEBOOK.parent.parent  # of the repository, where nobody's notebook is
    monkeypatch.setattr(sys, "path", [each for each in sys.path if Path(each).resolve() != root])
    for name in [each for each in sys.modules if each.split(".")[0] == "agents"]:
        monkeypatch.delitem(sys.modules, name)
    main = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 5

    async def run_all() -> None:
        for cell in code:
            printed, value = await run("".join(cell["source"]), vars(main))
            shown = {each["output_type"]: each for each in cell["outputs"]}
            assert printed == "".join(shown.get("stream", {}).get("text", []))
            if result := shown.get("execute_result"):
                assert value == ast.literal_eval("".join(result["data"]["text/plain"]))

    asyncio.run(run_all())
    assert len(main.trees) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_first_cell_is_five_lines() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert len([line for line in first["source"] if line.strip()]) == 5
