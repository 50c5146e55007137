"""HTML pages out of Jinja2 templates.

A page is one file that opens from disk and loads nothing from the network; a content security
policy in its head makes sure of that. What a model or a persona said is escaped wherever a template
shows it, or embedded as data that scripts show as text.

A template lies beside the module that fills it in, extends `page.html` and takes tables, charts and
the like from `parts.html`; both are in `templates/`.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""No request leaves the page, whatever it contains."""

SERVED_POLICY = f"{POLICY}; connect-src 'self'; frame-src 'self'; frame-ancestors 'self'"
"""The same of a page that `aloe view` serves: it may ask that server, and no other."""

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True)
class Live:
    """Where a served page learns that it is out of date."""

    state: str
    """Path that answers with the version of now."""
    version: str
    """Of what the page shows."""


def render_page(
    template: Path,
    title: str,
    data: dict[str, Any] | None = None,
    *,
    live: Live | None = None,
    served: bool = False,
    **values: Any,
) -> str:
    """Return a whole page.

    Args:
        template: extends `page.html`: its block `main` is what the page shows, its block `script`
            the JavaScript that runs after `page.js`.
        title: of the window; a template shows it itself where it wants to.
        data: values by id that the script reads with `data(id)`.
        live: where a served page asks for news; None: nowhere.
        served: whether the page may ask the server that it comes from, as live ones do.
        values: what the template fills in; all text in them is escaped.
    """
    found = _environment(template.parent).get_template(template.name)
    known = {**(data or {}), **({"live": asdict(live)} if live else {})}
    policy = _served_policy() if live or served else POLICY
    return found.render(title=title, policy=policy, data=known, live=live, **values)


def _served_policy() -> str:
    """Return the policy without its last part, which only a header may say."""
    return SERVED_POLICY.rpartition(";")[0]


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
