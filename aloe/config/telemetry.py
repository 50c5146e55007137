"""What other programs learn about the calls."""

from aloe.config.settings import Settings


class TelemetryConfig(Settings):
    """What other programs learn about the calls; see `aloe.telemetry`."""

    spans: bool = False
    """Whether each call is sent as an OpenTelemetry span (needs the extra `otel`) to the endpoint
    in the environment, such as OTEL_EXPORTER_OTLP_ENDPOINT."""
    content: bool = False
    """Whether spans include the messages."""
    langsmith: bool = False
    """Whether LangChain may send traces to LangSmith, as its own variables say."""
