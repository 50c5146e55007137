"""The benchmark from Python: what `aloe bench run` does, in one call that returns the result."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from aloe.benchmark.bench_plan import plan_bench
from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.bench_run import open_run
from aloe.benchmark.conditions import load_candidate, with_controls
from aloe.benchmark.run import BenchProgress
from aloe.calls.log import CallLog
from aloe.config import Condition
from aloe.errors import ConfigError
from aloe.loop import run_anywhere
from aloe.number_format import counted

Watch = Callable[[BenchProgress], None]
"""Called now and then while dialogues are held and judged."""


def bench(
    out: str | Path,
    *,
    model: str | None = None,
    user: str | None = None,
    judges: Sequence[str] = (),
    cases: str | None = None,
    controls: Sequence[str] = (),
    seeds: int | None = None,
    limit: int | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Watch = lambda _: None,
) -> BenchResult:
    """Measure how well a model adapts to its users, and return the result.

    Args:
        out: bench folder, resumed if it exists; `aloe bench report` turns it into a page.
        model: model under test, as a model string; None: that of `config`.
        user: model string of the simulated user; None: that of the settings.
        judges: model strings; two families are better than one. None: those of the settings.
        cases: a suite's name or a file of cases.
        controls: further conditions, such as `ceiling`, `shuffled` or `floor=MODEL`.
        seeds: dialogues per case.
        limit: maximum number of cases, spread over the suite.
        config: settings, a TOML file; None: defaults.
        settings: values over those of `config`, by dotted key; a mapping for a section leaves what
            it does not name, and None switches off.
        progress: called with the progress of a condition after every model call.

    Returns:
        The result, as in `out/result.json`; what was set aside is a warning, and so is a control
        of an earlier call that lacks dialogues. Roles in the settings take no part, which a
        warning says.

    Raises:
        ConfigError: an argument, a setting or a model cannot be used.
        InputError: a file cannot be read.
        ModelError: a model cannot be reached or refuses; finished work is kept.
        BudgetError: the budget in the settings is spent; the same.
    """
    if model is None and config is None:
        raise ConfigError("model: name the model under test")
    given = {"benchmark.cases": cases, "benchmark.seeds": seeds, "benchmark.limit": limit}
    path = Path(config) if config else None
    candidate = load_candidate(
        path,
        given,
        written=settings,
        model=model,
        user=user,
        judges=judges,
        source="arguments",
    )
    plan = plan_bench(Path(out), with_controls(candidate, controls))
    for text in plan.left_out:
        warnings.warn(text, stacklevel=2)

    def around(_: Condition, state: BenchProgress, _calls: CallLog) -> nullcontext[Any]:
        return nullcontext(lambda: progress(state))

    held = open_run(plan)
    result = run_anywhere(held.play(around))
    if held.failures or held.unjudged:
        first = f"; the first reason: {min(held.failures.values())}" if held.failures else ""
        set_aside = f"set aside {counted(len(held.failures), 'dialogue')}"
        failed = f"{counted(held.unjudged, 'rating')} failed"
        warnings.warn(f"{set_aside}, {failed}{first}", stacklevel=2)
    for text in held.lacking:
        warnings.warn(text, stacklevel=2)
    return result
