import pytest

from aloe.benchmark.families import family, warn_about_judges
from aloe.config import Config, validate


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("openai:gpt-4o-mini", "gpt"),
        ("openai:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1", "qwen"),
        ("openai:meta-llama/Llama-3.1-8B", "llama"),
        ("local:smollm2-135m", "smollm"),
        ("scripted:aloe.agents.scripted:reply", None),
        ("openai:123", None),
    ],
)
def test_families_are_told_by_name(model: str, expected: str | None) -> None:
    assert family(model) == expected


def test_a_folder_tells_no_family(tmp_path) -> None:
    (tmp_path / "qwen-tuned").mkdir()
    assert family(f"local:{tmp_path}/qwen-tuned") is None


def config(user: str, candidate: str, *judges: str) -> Config:
    raw = {
        "models": {"user": user, "judge": judges[0], "panel": list(judges[1:])},
        "benchmark": {"candidate": candidate},
    }
    return validate(Config, raw, source="test")


def test_nothing_to_warn_of() -> None:
    assert warn_about_judges(config("openai:a-1", "openai:b-1", "openai:c-1", "openai:d-1")) == []


def test_two_models_of_one_chat_class_are_two() -> None:
    one, two = ({"model": "langchain:pkg:Chat", "options": {"model": m}} for m in "ab")
    raw = {
        "models": {"user": one, "judge": two, "panel": ["openai:c"]},
        "benchmark": {"candidate": one},
    }
    assert warn_about_judges(validate(Config, raw, source="test")) == []


def test_every_conflict_of_interest_is_named() -> None:
    found = warn_about_judges(
        config("openai:gpt-5", "openai:qwen-3", "openai:gpt-5", "openai:qwen-9")
    )
    assert len(found) == 2
    assert "plays the user" in found[0]
    assert "its own family (qwen)" in found[1]
    found = warn_about_judges(config("openai:a-1", "openai:b-1", "openai:b-1"))
    assert "judges itself" in found[0]
    assert "one family" in found[1]
