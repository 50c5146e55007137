"""HTML pages out of Jinja2 templates.

A page is one file that opens from disk and loads nothing from the network; a content security
policy in its head makes sure of that. What a model or a persona said is escaped wherever a template
shows it, or embedded as data that scripts show as text.

A template lies beside the module that fills it in, extends `page.html` and takes tables, charts and
the like from `parts.html`; both are in `templates/`.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""No request leaves the page, whatever it contains."""

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
