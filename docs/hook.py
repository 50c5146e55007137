"""What makes a site of the pages: files outside docs/ that they link to become pages of it.

The pages are read on the site, and in the repository as they stand. So README.md is the site's
first page, and a link such as `../examples/safety_critic.py` leads to a page made of that file. The
page on the command line is made of the commands (`cli_reference.py`).
"""

import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
HOME = ROOT / "README.md"
COMMANDS = "cli.md"
"""The page on the command line."""
LINK = re.compile(r"(?<=\]\()(?!#|[a-z]+:)([^)#\s]+)")
"""A relative target within `[text](target#part)`."""
LANGUAGES = {".py": "python", ".ipynb": "json", ".toml": "toml", ".yaml": "yaml"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the first page, and a page for each file outside docs/ that a page links to."""
    docs = Path(config.docs_dir)
    waiting = [HOME, *(docs / each.src_uri for each in files.documentation_pages())]
    seen = set(waiting)
    while waiting:
        page = waiting.pop()
        for target in targets(page):
            if target in seen or target.is_relative_to(docs) or not target.is_file():
                continue
            seen.add(target)
            files.append(File.generated(config, place(target), content=page_of(target)))
            waiting += [target] * (target.suffix == ".md")
    files.append(File.generated(config, place(HOME), content=HOME.read_text(encoding="utf-8")))
    files.append(File.generated(config, COMMANDS, content=write_commands()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Point relative links to where their files lie on the site."""
    source = source_of(page.file.src_uri)
    here = posixpath.dirname(page.file.src_uri)

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(source.parent.as_posix(), link[1]))
        return posixpath.relpath(place(ROOT / target), here or ".")

    return LINK.sub(moved, markdown)


def write_commands() -> str:
    """Return the page on the command line; it is made of the commands, so aloe has to be there."""
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from cli_reference import write_page
    except ModuleNotFoundError as error:
        reason = f"the page on the command line needs {error.name}: pip install -e '.[docs]'"
        raise PluginError(reason) from None
    finally:
        sys.path.pop(0)
    return write_page()


def targets(page: Path) -> list[Path]:
    """Return the files that a page links to."""
    found = LINK.findall(page.read_text(encoding="utf-8")) if page.suffix == ".md" else []
    return [(page.parent / each).resolve() for each in found]


def place(file: Path) -> str:
    """Return where a file of the repository lies on the site."""
    path = file.relative_to(ROOT)
    if path == Path("README.md"):
        return "index.md"
    if path.parts[0] == "docs":
        return posixpath.join(*path.parts[1:])
    return f"files/{path.as_posix()}" + ("" if path.suffix == ".md" else ".md")


def source_of(place: str) -> Path:
    """Return the path in the repository of what lies at `place` on the site."""
    if place == "index.md":
        return Path("README.md")
    if not place.startswith("files/"):
        return Path("docs") / place
    path = Path(place).relative_to("files")
    return path if (ROOT / path).is_file() else path.with_suffix("")


def page_of(file: Path) -> str:
    """Return a file as a page: Markdown as it is, anything else as a block of code."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return text
    name = file.relative_to(ROOT).as_posix()
    return f"# {name}\n\n````{LANGUAGES.get(file.suffix, 'text')}\n{text}\n````\n"
