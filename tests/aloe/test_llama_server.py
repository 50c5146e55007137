"""A `llama-server` of the user's own: started, guarded, watched, and gone when we are."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aloe.config import Config, LocalConfig
from aloe.errors import ConfigError, ModelError
from aloe.graphs.checkup import check_everything
from aloe.models.kernels import find_kernels, read_kernels, unused_features
from aloe.models.llama_server import Launch, ServerProcess, find_binary, start_process
from aloe.models.local import borrow_servers, embedded_server, lent_servers
from aloe.models.weights import WEIGHTS

FAKE = """#!{python} -S
import http.server, os, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
if flags.get("--verbosity") == "4":
    print("  - CUDA0   : NVIDIA H100 (80000 MiB, 79000 MiB free)")
    print("  - CPU     : EPYC (1 MiB, 1 MiB free)")
    print("system_info: n = 1 | CUDA : ARCHS = 900 | CPU : AVX2 = 1 | AVX512 = 0 | FMA = 1 | ")
print("loading", flags["--model"], flush=True)
if flags["--model"] == "/nonexistent": sys.exit(1)
{misdeed}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "Bearer " + os.environ["LLAMA_API_KEY"]
        self.send_response(200 if self.path in {open} or known else 401)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{{}}")
    def log_message(self, *_):
        print("asked for", self.path, flush=True)
http.server.HTTPServer(("127.0.0.1", int(flags["--port"])), Handler).serve_forever()
"""


def write_fake(path: Path, *, misdeed: str = "", guarded: bool = True) -> Path:
    opened = ("/health",) if guarded else ("/health", "/props")
    path.write_text(FAKE.format(python=sys.executable, misdeed=misdeed, open=opened))
    path.chmod(0o755)
    return path


def launch(folder: Path) -> Launch:
    return Launch(
        model=folder / "m.gguf", name="tiny", adapter=folder / "a.gguf", slots=8, context=64,
        cache=10, threads=2, gpu_layers=3,
    )  # fmt: skip


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def server_id(shell: int) -> int:
    """Return the process of the server, given that of the shell that guards it."""
    children = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
    return next(int(c) for c in children if b"--port" in Path(f"/proc/{c}/cmdline").read_bytes())


def wait_until_gone(process: int) -> None:
    until = time.monotonic() + 10
    while is_alive(process):
        assert time.monotonic() < until, "the server outlived us"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    folder = tmp_path_factory.mktemp("server")
    return start_process(write_fake(folder / "llama-server"), launch(folder), 60)


def test_it_gets_the_flags_of_the_server_in_this_process(running: ServerProcess) -> None:
    child = server_id(running.process.pid)
    flags = Path(f"/proc/{child}/cmdline").read_text().split("\0")
    given = dict(zip(flags[3::2], flags[4::2], strict=False))
    wanted = {"--parallel": "8", "--ctx-size": "512", "--cache-ram": "10", "--threads": "2"}
    wanted |= {"--alias": "tiny", "--host": "127.0.0.1", "--n-gpu-layers": "3"}
    assert wanted.items() <= given.items()
    assert given["--model"].endswith("m.gguf")
    assert given["--lora"].endswith("a.gguf")


def test_the_key_is_random_and_in_no_command_line(running: ServerProcess) -> None:
    assert len(running.api_key) == 32
    for process in (running.process.pid, server_id(running.process.pid)):
        assert running.api_key not in Path(f"/proc/{process}/cmdline").read_text()
    assert running.api_key not in repr(running)


def test_a_binary_is_asked_for_its_kernels(tmp_path: Path) -> None:
    binary = write_fake(tmp_path / "llama-server")
    assert find_kernels(binary) == ("CUDA kernels ARCHS; CPU kernels AVX2, FMA; CUDA0: NVIDIA H100")
    assert find_kernels(tmp_path / "none") == ""
    assert find_kernels(None).startswith("CPU kernels ")


@pytest.mark.parametrize(
    ("said", "kernels"),
    [
        ("CPU : AVX = 1 | AVX512_VNNI = 1 | ", "CPU kernels AVX, AVX512_VNNI"),
        ("system_info: n_threads = 8 (n_threads_batch = 8) / 16 | Metal : EMBED_LIBRARY = 1 | CPU :"
         " NEON = 1 | ", "Metal kernels EMBED_LIBRARY; CPU kernels NEON"),
        ("main: server is listening on http://127.0.0.1:1", ""),
    ],
)  # fmt: skip
def test_other_builds_name_other_kernels(said: str, kernels: str) -> None:
    assert read_kernels(said) == kernels


def test_what_the_processor_has_beyond_the_kernels_is_told(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags\t: sse3 avx2 avx512f avx512_vnni amx_int8 \n")
    assert unused_features("CPU kernels AVX2", cpuinfo) == ["AVX512", "AVX512_VNNI", "AMX_INT8"]
    assert unused_features("CPU kernels AVX2, AVX512, AVX512_VNNI, AMX_INT8", cpuinfo) == []
    assert unused_features("", cpuinfo) == []
    assert unused_features("CPU kernels AVX2", tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("misdeed", "guarded", "words"),
    [
        ("print('invalid argument: --cache-ram'); sys.exit(1)", True,
         "ended with code 1; it said:\n.*\n  invalid argument: --cache-ram"),
        ("import signal; os.kill(os.getpid(), signal.SIGILL)", True, "built for another processor"),
        ("os.kill(os.getpid(), 9)", True, "was ended by SIGKILL"),
        ("time.sleep(60)", True, r"did not load the model within 0\.7 s \(local\.load_timeout\)"),
        ("", False, r"does not ask for the key .* \(HTTP 200 with it and 200 without\)"),
        ("os.environ['LLAMA_API_KEY'] = 'own'", True, "HTTP 401 with it and 401 without"),
    ],
)  # fmt: skip
def test_one_that_does_not_serve_is_refused_with_its_last_words(
    tmp_path: Path, misdeed: str, guarded: bool, words: str
) -> None:
    binary = write_fake(tmp_path / "llama-server", misdeed=misdeed, guarded=guarded)
    patience = 0.7 if "sleep" in misdeed else 60
    with pytest.raises(ModelError, match=rf"(?s)^local:tiny: {binary} .*{words}"):
        start_process(binary, launch(tmp_path), patience)


def test_it_ends_when_it_is_dropped(tmp_path: Path) -> None:
    server = start_process(write_fake(tmp_path / "llama-server"), launch(tmp_path), 60)
    child = server_id(server.process.pid)
    assert is_alive(child)
    del server
    wait_until_gone(child)


def test_it_ends_when_we_are_killed(tmp_path: Path) -> None:
    write_fake(tmp_path / "llama-server")
    code = (
        "import sys; from pathlib import Path; from aloe.models import llama_server as of\n"
        "plan = of.Launch(model=Path('m'), name='m', adapter=None, slots=1, context=1, cache=1,"
        " threads=1, gpu_layers=None)\n"
        "server = of.start_process(Path(sys.argv[1]), plan, 60)\n"
        "print(server.process.pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "llama-server")]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout
        server = server_id(int(child.stdout.readline()))
        assert is_alive(server)
        os.kill(child.pid, signal.SIGKILL)
    wait_until_gone(server)


def test_settings_choose_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = write_fake(tmp_path / "llama-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_binary(None) is None
    assert find_binary(str(binary)) == find_binary("auto") == find_binary("llama-server") == binary
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert find_binary("auto") is None
    with pytest.raises(ConfigError, match=r"local\.server: llama-server is not on PATH"):
        find_binary("llama-server")
    binary.chmod(0o644)
    with pytest.raises(ConfigError, match="is no program that can be run"):
        find_binary(str(binary))


def test_an_adapter_that_its_command_line_would_part_is_refused(tmp_path: Path) -> None:
    parted = replace(launch(tmp_path), adapter=Path("a,b/adapter.gguf"))
    with pytest.raises(ConfigError, match="a comma in its path"):
        start_process(tmp_path / "llama-server", parted, 1)


def test_models_are_served_by_it_lent_and_told_by_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aloe.models.local._running", {})
    (name,) = WEIGHTS
    local = LocalConfig(server=str(write_fake(tmp_path / "llama-server")))
    config = Config(local=local)
    checks = {check.what: check for check in check_everything(config, talk=False)}
    told = checks[f"model local:{name}"]
    assert told.well, told.found
    assert f"served by {tmp_path}/llama-server; CUDA kernels ARCHS; CPU kernels AVX2" in told.found
    server = embedded_server(name, local)
    assert server.control.search("<|im_end|>")
    lent = lent_servers()
    monkeypatch.setattr("aloe.models.local._running", {})
    borrow_servers(lent)
    assert embedded_server(name, local).base_url == server.base_url  # and no second one was started
