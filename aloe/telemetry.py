"""OpenTelemetry spans: one per call, under one per tree.

They follow OpenTelemetry's conventions for generative AI, so Phoenix, Langfuse, LangSmith or any
collector shows a run without knowing this program. Spans are made from events after the call, with
the event's own times, so tracing costs a call nothing while it runs, and calls of worker processes
are traced like any other. Their destination comes from OpenTelemetry's own variables, such as
OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS: keys stay out of the settings.

Messages are left out unless the settings ask for them. LangSmith's own tracing, which would send
all of it, is off unless settings ask for that, whatever the environment says.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aloe.errors import ConfigError
from aloe.extras import needs
from aloe.models.model_string import ModelString

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanContext, TracerProvider

    from aloe.calls.event import Event
    from aloe.calls.log import CallLog
    from aloe.config import TelemetryConfig
    from aloe.models.open import Message

OPEN_TREES = 1024
"""Trees whose span and messages are kept for further calls, beside those that are in flight; of
more, the one that was silent longest is ended. Its later spans still belong to its trace."""

NOT_KEPT = "(not kept: too many trees were traced since this was sent)"
"""Stands for a message of such a tree that no event spells out again."""

LANGSMITH = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING_V2",
    "LANGCHAIN_TRACING",
)
"""Variables that make LangChain send everything to LangSmith."""


def silence_langsmith() -> None:
    """Switch LangSmith's tracing off for this process, unless settings switch it on later."""
    for name in LANGSMITH:
        if name in os.environ:
            os.environ[name] = "false"


@contextmanager
def trace_calls(config: "TelemetryConfig", calls: "CallLog", *, width: int = 0) -> Iterator[None]:
    """Trace the calls of the block as far as `config` wants it.

    Args:
        config: the settings.
        calls: where the calls pass.
        width: trees that are in flight at once.

    Raises:
        ConfigError: a package that is needed is not installed.
    """
    with _langsmith(config), _spans(config, calls, width):
        yield


@contextmanager
def _langsmith(config: "TelemetryConfig") -> Iterator[None]:
    if not config.langsmith:
        yield
        return
    from langchain_core.tracers.langchain import wait_for_all_tracers
    from langsmith import utils

    # By the environment and not by a context, which a loop that is open already would not see.
    before = os.environ.get(LANGSMITH[1])
    os.environ[LANGSMITH[1]] = "true"
    vars(utils)["get_env_var"].cache_clear()
    try:
        yield
    finally:
        wait_for_all_tracers()
        os.environ.pop(LANGSMITH[1])
        os.environ |= {} if before is None else {LANGSMITH[1]: before}
        vars(utils)["get_env_var"].cache_clear()


@contextmanager
def _spans(config: "TelemetryConfig", calls: "CallLog", width: int) -> Iterator[None]:
    if not config.spans:
        yield
        return
    provider = _provider()
    spans = Spans(provider, content=config.content, width=width)
    calls.listen(spans.add)
    try:
        yield
    finally:
        spans.end()
        provider.shutdown()


def _provider() -> Any:
    """Return a provider that sends to where the environment says."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ConfigError(needs("telemetry.spans", "opentelemetry-sdk", error.name)) from None
    provider = TracerProvider(resource=Resource.create({"service.name": "aloe"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


@dataclass(kw_only=True)
class _Tree:
    """A tree whose span is open."""

    span: "Span"
    ended: float
    """Unix time in seconds at which its last call ended."""
    texts: "dict[str, Message]" = field(default_factory=dict)


class Spans:
    """Makes spans of events.

    Args:
        provider: where the spans go.
        content: whether messages and answers are part of them.
        width: trees that are in flight at once.
    """

    def __init__(self, provider: "TracerProvider", *, content: bool, width: int = 0) -> None:
        self._tracer = provider.get_tracer("aloe")
        self._content = content
        self._most = OPEN_TREES + width
        self._trees: OrderedDict[str | None, _Tree] = OrderedDict()
        self._ended: dict[str | None, SpanContext] = {}
        """Where further spans of trees belong whose own span is ended."""

    def add(self, event: "Event") -> None:
        """Make the span of a call."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        tree = self._tree(event)
        tree.ended = max(tree.ended, event.started + event.latency)
        attributes = _attributes(event)
        if self._content:
            tree.texts |= event.texts
            attributes |= _content(event, tree.texts)
        span = self._tracer.start_span(
            f"chat {_model(event)}",
            context=set_span_in_context(tree.span),
            kind=SpanKind.CLIENT,
            start_time=_nanoseconds(event.started),
            attributes=attributes,
        )
        if event.error:
            span.set_status(Status(StatusCode.ERROR, event.error if self._content else None))
        span.end(end_time=_nanoseconds(event.started + event.latency))

    def end(self) -> None:
        """End the spans of all trees."""
        while self._trees:
            self._end_oldest()

    def _tree(self, event: "Event") -> _Tree:
        if event.tree not in self._trees:
            self._trees[event.tree] = _Tree(span=self._open(event), ended=event.started)
            if len(self._trees) > self._most:
                self._end_oldest()
        self._trees.move_to_end(event.tree)
        return self._trees[event.tree]

    def _open(self, event: "Event") -> "Span":
        """Return the span of a tree; one that is ended already stays as it was sent."""
        from opentelemetry.trace import NonRecordingSpan

        if event.tree in self._ended:
            return NonRecordingSpan(self._ended[event.tree])
        return self._tracer.start_span(
            f"tree {event.tree}" if event.tree else "calls outside of trees",
            start_time=_nanoseconds(event.started),
            attributes={"gen_ai.conversation.id": event.tree} if event.tree else None,
        )

    def _end_oldest(self) -> None:
        name, tree = self._trees.popitem(last=False)
        tree.span.end(end_time=_nanoseconds(tree.ended))
        self._ended[name] = tree.span.get_span_context()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _model(event: "Event") -> str:
    return ModelString.parse(event.model).name or event.model


def _attributes(event: "Event") -> dict[str, Any]:
    """Return what a call was and what it took, under the names of the conventions."""
    found = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": ModelString.parse(event.model).provider,
        "gen_ai.request.model": _model(event),
        "gen_ai.agent.name": event.role,
        "gen_ai.conversation.id": event.tree,
        "gen_ai.request.seed": event.arguments.get("seed"),
        "gen_ai.request.max_tokens": event.arguments.get("max_tokens"),
        "gen_ai.response.finish_reasons": [event.reply["finish"]] if event.reply else None,
        "gen_ai.usage.input_tokens": event.input_tokens,
        "gen_ai.usage.cache_read.input_tokens": event.cached_tokens,
        "gen_ai.usage.output_tokens": event.output_tokens,
        "error.type": "error" if event.error else None,
        "aloe.node": event.node,
        "aloe.outcome": event.outcome,
        "aloe.cost_usd": event.cost,
    }
    return {name: value for name, value in found.items() if value is not None}


def _content(event: "Event", texts: "dict[str, Message]") -> dict[str, Any]:
    sent = [_part(*texts.get(name, ("unknown", NOT_KEPT))) for name in event.prompt]
    found: dict[str, Any] = {"gen_ai.input.messages": json.dumps(sent, ensure_ascii=False)}
    if missing := sum(name not in texts for name in event.prompt):
        found["aloe.messages_not_kept"] = missing
    if event.reply:
        answer = {**_part("assistant", event.reply["text"]), "finish_reason": event.reply["finish"]}
        found["gen_ai.output.messages"] = json.dumps([answer], ensure_ascii=False)
    return found


def _part(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
