"""What is published: a wheel, installed outside the checkout, does what the commands promise."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from builders import persona_lines

ROOT = Path(__file__).parent.parent
SCRIPTED = ("--model", "scripted:aloe.agents.scripted:reply")
USES = """
import aloe

trees: list[aloe.Tree] = aloe.simulate(["I bake."], model="openai:x", turns=2)
pairs: int = len(aloe.to_dataset(trees, "dpo"))
wrong: int = aloe.read_trees("runs/first")
"""
ONLY_OURS = """
[mypy]
follow_imports = skip
[mypy-aloe.*]
follow_imports = silent
"""
"""Settings that keep the type checker from reading every package that ours import."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what git holds."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, found.stdout.split("\0")):
        if (ROOT / name).exists() and not name.startswith(("tests/", "docs/")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "-w", str(out), str(copy)], check=True, capture_output=True)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it into an environment of its own, which finds everything else in this one's."""
    home = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home / "venv"], check=True)
    python = home / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    (site,) = (home / "venv/lib").glob("python*/site-packages")
    # A plain path, so that its own .pth files, this checkout's among them, are not read.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in ("agents", "training"):  # what users have beside their scripts
        (home / name).mkdir()
        (home / name / "__init__.py").write_text("raise SystemExit('the wrong one')")
    (home / "personas.jsonl").write_text(persona_lines())
    return home


def run(home: Path, *command: object) -> subprocess.CompletedProcess[str]:
    kept = ("HOME", "PATH", "XDG_CACHE_HOME")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.run(
        [str(home / "venv/bin" / str(command[0])), *map(str, command[1:])],
        cwd=home, env={**variables, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def aloe(home: Path, *arguments: object) -> str:
    ran = run(home, "aloe", *arguments)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_it_holds_one_package_with_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "aloe",
        *(name.split("/")[0] for name in names if ".dist-info/" in name),
    }
    for wanted in (
        "aloe/py.typed",
        "aloe/agents/prompts/judge.md",
        "aloe/agents/prompts/small/user.md",
        "aloe/agents/scaffold/role.py.txt",
        "aloe/agents/restraint.jsonl",
        "aloe/benchmark/runs.html",
        "aloe/benchmark/suites/DATASHEET.md",
        "aloe/benchmark/user_faults/fresh.jsonl",
        "aloe/examples/demo.toml",
        "aloe/examples/safety_critic.py",
        "aloe/examples/tutorial.toml",
        "aloe/memory/pool/personas.jsonl.gz",
        "aloe/memory/questions.jsonl",
        "aloe/memory/seeds/profiles.jsonl",
        "aloe/memory/verifiable/phrases.toml",
        "aloe/templates/page.html",
        "aloe/templates/settings.toml",
        "aloe/training/configs/fsdp.yaml",
    ):
        assert wanted in names
    assert not [name for name in names if "performance" in name or "/tests/" in name]


def test_its_commands_run_outside_the_checkout(elsewhere: Path) -> None:
    made = run(elsewhere, "python", "-c", "import aloe; print(aloe.__file__)").stdout
    assert made.startswith(str(elsewhere))
    aloe(elsewhere, "personas", "grow", "--compose", "--count", 4, "--out", "grown.jsonl")
    aloe(elsewhere, "simulate", "--personas", "personas.jsonl", "--turns", 2, "--trees", 2,
         "--out", "run", *SCRIPTED)  # fmt: skip
    aloe(elsewhere, "export", "run", "--format", "dpo", "--out", "dpo.jsonl")
    assert (elsewhere / "dpo.jsonl").read_text().count("\n") >= 2
    assert "I mend bicycles" in aloe(elsewhere, "trace", "run", "--first")
    aloe(elsewhere, "roles", "new", "night_watch")
    aloe(elsewhere, "bench", "run", "--limit", 1, "--seeds", 1, "--out", "bench",
         "--user", SCRIPTED[1], "--judge", SCRIPTED[1], *SCRIPTED)  # fmt: skip
    aloe(elsewhere, "report", "run", "--out", "report.html")
    aloe(elsewhere, "init", "--for", "vllm", "--examples")
    assert (elsewhere / "safety_critic.py").is_file()
    assert (elsewhere / "accelerate/fsdp.yaml").is_file()
    assert "qwen" in aloe(elsewhere, "config", "check", "aloe.toml").lower()


@pytest.mark.train
def test_it_trains_a_step(elsewhere: Path) -> None:
    pytest.importorskip("torch")
    import tiny

    tiny.save(elsewhere / "base")
    aloe(elsewhere, "simulate", "--personas", "personas.jsonl", "--turns", 2, "--trees", 2,
         "--out", "run", *SCRIPTED)  # fmt: skip
    aloe(elsewhere, "train", "sft", "--data", "run", "--model", "base", "--out", "sft",
         "--max-steps", 1)  # fmt: skip
    assert (elsewhere / "sft/training.json").is_file()


def test_a_type_checker_knows_its_names(elsewhere: Path) -> None:
    (elsewhere / "uses.py").write_text(USES)
    (elsewhere / "mypy.ini").write_text(ONLY_OURS)
    checker = ["mypy", "--strict", "--python-executable", str(elsewhere / "venv/bin/python")]
    ran = subprocess.run(
        [sys.executable, "-m", *checker, "uses.py"],
        cwd=elsewhere, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Found 1 error" in ran.stdout, ran.stdout
    assert 'type "list[Tree]", variable has type "int"' in ran.stdout
