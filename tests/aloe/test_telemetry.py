"""Spans as a collector gets them, and LangSmith kept out."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from builders import PERSONAS, SCRIPTED, config, grow
from command import StartAloe
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes

import aloe as library
from aloe import telemetry
from aloe.calls.event import Event
from aloe.calls.log import CallLog
from aloe.config import TelemetryConfig
from aloe.errors import ConfigError
from aloe.telemetry import Spans, trace_calls


def spans_of(calls: CallLog, *, content: bool = False) -> tuple[Spans, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider, content=content)
    calls.listen(spans.add)
    return spans, exporter


def of_run(*, content: bool = False) -> tuple[list[ReadableSpan], list[Event]]:
    """Return the spans and the events of one tree."""
    events: list[Event] = []
    calls = CallLog(on_event=events.append)
    spans, exporter = spans_of(calls, content=content)
    grow(config(turns=2), persona=PERSONAS[0], calls=calls)
    spans.end()
    return list(exporter.get_finished_spans()), events


def test_a_span_a_call_under_one_a_tree() -> None:
    spans, events = of_run()
    *calls, tree = spans
    assert len(calls) == len(events) > 5
    assert tree.name == f"tree {events[0].tree}"
    assert tree.parent is None
    for span, event in zip(calls, events, strict=True):
        assert span.parent is not None
        assert span.context is not None
        assert tree.context is not None
        assert span.parent.span_id == tree.context.span_id
        attributes = dict(span.attributes or {})
        assert span.name == "chat test"
        assert attributes["gen_ai.agent.name"] == event.role
        assert attributes["gen_ai.usage.output_tokens"] == event.output_tokens
        assert attributes["gen_ai.request.seed"] == event.arguments["seed"]
        assert attributes["aloe.outcome"] == event.outcome
        assert span.start_time == int(event.started * 1e9)
        assert (span.end_time or 0) - (span.start_time or 0) == pytest.approx(
            event.latency * 1e9, abs=1e3
        )
        assert (tree.start_time or 0) <= (span.start_time or 0)
        assert (span.end_time or 0) <= (tree.end_time or 0)


def test_names_are_those_of_the_conventions() -> None:
    known = {v for k, v in vars(gen_ai_attributes).items() if k.startswith("GEN_AI")}
    used = {name for span in of_run(content=True)[0] for name in (span.attributes or {})}
    assert {name for name in used if name.startswith("gen_ai.")} <= known
    assert {"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model"} <= used


def test_what_was_said_is_left_out_unless_asked_for() -> None:
    plain = json.dumps([dict(span.attributes or {}) for span in of_run()[0]])
    assert "bicycle" not in plain
    spans, events = of_run(content=True)
    attributes = dict(spans[0].attributes or {})
    sent = json.loads(str(attributes["gen_ai.input.messages"]))
    assert [each["role"] for each in sent][-1] == "user"
    assert events[0].reply is not None
    (said,) = json.loads(str(attributes["gen_ai.output.messages"]))
    assert said["parts"] == [{"type": "text", "content": events[0].reply["text"]}]
    later = json.loads(str(dict(spans[-2].attributes or {})["gen_ai.input.messages"]))
    assert all(part["parts"][0]["content"] for part in later)  # also what was spelled out earlier


def test_failed_calls_are_errors_and_name_no_text() -> None:
    calls = CallLog()
    spans, exporter = spans_of(calls)
    failed = {"outcome": "error", "error": "said: secret words", "started": 1.0, "latency": 0.5}
    calls.take(Event(role="user", model="openai:m", tree=None, node=None, **failed))  # type: ignore[arg-type]
    spans.end()
    call, outside = exporter.get_finished_spans()
    assert not call.status.is_ok
    assert call.status.description is None
    assert dict(call.attributes or {})["error.type"] == "error"
    assert outside.name == "calls outside of trees"


def test_memory_stays_small_over_many_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "OPEN_TREES", 3)
    calls = CallLog()
    spans, exporter = spans_of(calls)
    for number in range(10):
        calls.take(Event(role="user", model="m", tree=f"t{number}", node=None))
    roots = [span for span in exporter.get_finished_spans() if span.parent is None]
    assert [span.name for span in roots] == [f"tree t{number}" for number in range(7)]
    spans.end()
    assert len(exporter.get_finished_spans()) == 20


def prompts_of_two_rounds(trees: int, width: int) -> tuple[list[ReadableSpan], list[Any]]:
    """Return the spans of trees that each call twice by turns, and what the last calls sent."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    calls, spans = CallLog(), Spans(provider, content=True, width=width)
    calls.listen(spans.add)
    for said in ([], [("assistant", "Yo")]):
        for number in range(trees):
            event = Event(role="user", model="m", tree=f"t{number}", node=None)
            calls.take(event, [("user", f"Hi {number}"), *said])
    spans.end()
    found = list(exporter.get_finished_spans())
    sent = [dict(s.attributes or {})["gen_ai.input.messages"] for s in found if s.parent]
    return found, [json.loads(str(each)) for each in sent[trees:]]


def test_trees_in_flight_keep_their_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "OPEN_TREES", 1)
    _, sent = prompts_of_two_rounds(trees=5, width=4)
    for number, (first, second) in enumerate(sent):
        assert first["parts"][0]["content"] == f"Hi {number}"
        assert second["parts"][0]["content"] == "Yo"


def test_a_tree_is_one_trace_and_what_is_not_kept_is_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "OPEN_TREES", 2)
    found, sent = prompts_of_two_rounds(trees=5, width=0)
    roots = {span.name: span.context.trace_id for span in found if span.parent is None}
    assert sorted(roots) == [f"tree t{number}" for number in range(5)]
    for span in found:
        tree = dict(span.attributes or {})["gen_ai.conversation.id"]
        assert span.context.trace_id == roots[f"tree {tree}"]
    assert {(first["role"], first["parts"][0]["content"]) for first, _ in sent} == {
        ("unknown", telemetry.NOT_KEPT)
    }
    later = [span for span in found if span.parent][5:]
    assert {dict(span.attributes or {})["aloe.messages_not_kept"] for span in later} == {1}


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with (
        pytest.raises(ConfigError, match=r"aloe-align\[otel\]"),
        trace_calls(TelemetryConfig(spans=True), CallLog()),
    ):
        pass


@pytest.mark.parametrize("spans", [False, True])
def test_runs_that_python_starts_are_traced_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, spans: bool
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(provider, "shutdown", lambda: None)
    monkeypatch.setattr(telemetry, "_provider", lambda: provider)
    settings = {"telemetry.spans": spans}
    library.simulate(PERSONAS[:1], model=SCRIPTED, turns=1, settings=settings)
    simulated = len(exporter.get_finished_spans())
    given = {"cases": "none", "limit": 1, "seeds": 1, "user": SCRIPTED, "judges": [SCRIPTED]}
    library.bench(tmp_path / "bench", model=SCRIPTED, settings=settings, **given)
    assert (simulated > 0) is spans
    assert (len(exporter.get_finished_spans()) > simulated) is spans


def test_langsmith_stays_on_no_longer_than_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langsmith")
    monkeypatch.setenv("LANGSMITH_TRACING_V2", "false")
    with trace_calls(TelemetryConfig(langsmith=True), CallLog()):
        assert os.environ["LANGSMITH_TRACING_V2"] == "true"
    assert os.environ["LANGSMITH_TRACING_V2"] == "false"


class _Collector(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PATCH = do_POST  # noqa: N815  (its name is the server's)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def collector() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("asked_for", [False, True])
def test_langsmith_gets_something_only_if_settings_say_so(
    start: StartAloe,
    collector: ThreadingHTTPServer,
    personas_file: Path,
    tmp_path: Path,
    asked_for: bool,
) -> None:
    url = f"http://127.0.0.1:{collector.server_port}"
    (tmp_path / "my.toml").write_text(
        f"[telemetry]\nlangsmith = {str(asked_for).lower()}\nspans = {str(asked_for).lower()}\n"
    )
    child = start(
        *("simulate", "--config", "my.toml", "--personas", personas_file, "--trees", 1),
        *("--turns", 1, "--model", SCRIPTED, "--out", "run", "--quiet"),
        LANGCHAIN_TRACING_V2="true",
        LANGSMITH_ENDPOINT=url,
        LANGSMITH_API_KEY="lsv2_not_a_key",
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
    )
    _, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    asked = collector.asked  # type: ignore[attr-defined]
    assert ("/v1/traces" in asked) is asked_for
    assert any(path.startswith("/runs") or path == "/info" for path in asked) is asked_for
