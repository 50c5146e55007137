"""What other programs learn about the calls."""

from aloe.config.settings import Settings


class TelemetryConfig(Settings):
    """What other programs are told of the calls; see `aloe.telemetry`."""

    spans: bool = False
    """Whether each call is sent as an OpenTelemetry span (needs the otel extra); where to, says
    the environment, as OTEL_EXPORTER_OTLP_ENDPOINT."""
    content: bool = False
    """Whether the spans hold what was said."""
    langsmith: bool = False
    """Whether LangChain may send what it does to LangSmith, as its own variables say."""
