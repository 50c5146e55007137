from pathlib import Path
from typing import get_args

import pytest

from aloe.agents.prompt import FOLDER, chosen, parse, shipped
from aloe.config import Size
from aloe.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.md"
    path.write_text("## system\nBe {mood}.\n\n## user\n{a} and {a}\n## assistant\nok\n")
    return path


def test_a_file_is_a_list_of_messages(file: Path) -> None:
    assert parse(file).messages == (
        ("system", "Be {mood}."),
        ("user", "{a} and {a}"),
        ("assistant", "ok"),
    )
    assert parse(file).fields == {"mood", "a"}


def test_fields_are_filled_in_once(file: Path) -> None:
    messages = parse(file).render(mood="{a}", a="{mood} {0} \\1 {{x}}")
    assert messages[0] == ("system", "Be {a}.")
    assert messages[1] == ("user", "{mood} {0} \\1 {{x}} and {mood} {0} \\1 {{x}}")


@pytest.mark.parametrize("values", [{}, {"mood": "x"}, {"mood": "x", "a": "y", "b": "z"}])
def test_fields_that_do_not_match_name_the_file(file: Path, values: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"p\.md"):
        parse(file).render(**values)


def test_the_hash_follows_the_text(file: Path) -> None:
    before = parse(file).sha
    file.write_text(file.read_text() + "!")
    assert parse(file).sha != before


def test_a_file_without_a_message_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text("hello")
    with pytest.raises(ConfigError, match="heading"):
        parse(tmp_path / "p.md")
    with pytest.raises(ConfigError, match="cannot be read"):
        parse(tmp_path / "none.md")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("## system", "## System", "line 1 of the prompt: '## System' .* '## system'"),
        ("## system", " ## system", "line 1 of the prompt: ' ## system' .* at its start"),
        ("## system", "##system", "line 1"),
        ("## system", "You are strict.\n\n## system", "line 1 .* before the first heading"),
        ("## assistant", "## Assistant:", "line 6 of the prompt: '## Assistant:' .*'## assistant'"),
    ],
)
def test_no_words_are_lost_to_a_heading_that_is_almost_one(
    file: Path, before: str, after: str, words: str
) -> None:
    file.write_text(file.read_text().replace(before, after))
    with pytest.raises(ConfigError, match=rf"p\.md: {words}"):
        parse(file)


def test_a_byte_order_mark_belongs_to_no_message(file: Path) -> None:
    plain = parse(file)
    file.write_text(file.read_text(), encoding="utf-8-sig")
    assert parse(file) == plain


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("*.md")])
def test_what_is_shipped_parses(name: str, size: Size) -> None:
    assert all(text for _, text in shipped(name, size).messages)


def test_a_prompt_of_ones_own_may_show_the_chat_or_not(tmp_path: Path) -> None:
    (tmp_path / "user.md").write_text("## user\n{personality} {history} {note}\n")
    for size in get_args(Size):
        found = chosen("user", {"user": tmp_path / "user.md"}, size)
        assert found.fields == shipped("user").fields
    (tmp_path / "user.md").write_text("## user\n{personality}\n")
    assert chosen("user", {"user": tmp_path / "user.md"}).fields == {"personality"}
    (tmp_path / "user.md").write_text("## user\n{history} {note}\n")
    with pytest.raises(ConfigError, match="personality"):
        chosen("user", {"user": tmp_path / "user.md"})
