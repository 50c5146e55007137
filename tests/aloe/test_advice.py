"""What people mistype in a base URL, against servers that answer as real ones do."""

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from server import Answer, ChatServer, completion, failure

from aloe.config import ModelConfig
from aloe.errors import AloeError, ModelError
from aloe.models.failures import sort_failure
from aloe.models.open import check_reachable, open_model

PAGE = b"<!DOCTYPE html><html>" + b"x" * 500
CLIENTS: dict[str, dict[str, Any]] = {"HttpChat": {}, "ChatOpenAI": {"disable_streaming": True}}


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def told(url: str, options: dict[str, Any]) -> str:
    model = open_model(ModelConfig(model=f"openai:tiny@{url}", options=options, timeout=10))
    with pytest.raises(AloeError) as error:
        asyncio.run(model.ask([("user", "Hello")], {}))
    return str(error.value)


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_what_is_not_json_is_quoted(server: ChatServer, options: dict[str, Any], kind: str) -> None:
    server.behave = lambda _: Answer(body=PAGE, headers={"Content-Type": kind})
    said = told(server.url, options)
    assert f"the answer is not JSON: {PAGE[:190].decode()!r}"[:-1] in said
    assert "xxx" * 80 not in said
    assert "/v1" not in said.replace(server.url, "")  # its URL has one
    bare = server.url.removesuffix("/v1")
    assert f"may lack its /v1: {bare}/v1" in told(bare, options)


def test_a_path_that_is_not_there(server: ChatServer, options: dict[str, Any]) -> None:
    server.behave = lambda _: failure(404, "Not Found")
    bare = server.url.removesuffix("/v1")
    assert f"may lack its /v1: {bare}/v1" in told(bare, options)
    assert "end before /chat/completions" in told(f"{server.url}/chat/completions", options)
    assert "may lack" not in told(server.url, options)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout",
         str(file), "-out", str(file.with_suffix(".crt")), "-subj", "/CN=localhost"],
        capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip("openssl is not here")
    with file.open("a") as both:
        both.write(file.with_suffix(".crt").read_text())
    return file


async def _serve_tls(certificate: Path, ask: Any) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with server:
        return await ask(server.sockets[0].getsockname()[1])


def test_a_certificate_that_nobody_knows(certificate: Path, options: dict[str, Any]) -> None:
    async def ask(port: int) -> str:
        url = f"https://127.0.0.1:{port}/v1"
        model = open_model(ModelConfig(model=f"openai:tiny@{url}", options=options, timeout=10))
        with pytest.raises(AloeError) as error:
            await model.ask([("user", "Hello")], {})
        with pytest.raises(ModelError) as unreached:
            await check_reachable([model])
        assert "SSL_CERT_FILE" in str(unreached.value)
        return str(error.value)

    assert "SSL_CERT_FILE" in asyncio.run(_serve_tls(certificate, ask))


def test_https_for_http(server: ChatServer, options: dict[str, Any]) -> None:
    server.behave = lambda _: completion("Hi")
    said = told(server.url.replace("http:", "https:"), options)
    assert f"speaks http, not https: write {server.url}" in said


def test_http_for_https(server: ChatServer, options: dict[str, Any]) -> None:
    server.behave = lambda _: Answer(
        status=400, body=b"Client sent an HTTP request to an HTTPS server.\n"
    )
    assert f"speaks https, not http: write {server.url.replace('http', 'https')}" in (
        told(server.url, options)
    )


def test_no_user_of_a_url_is_shown() -> None:
    error = ValueError("cannot reach http://me:planted@h/v1")
    told = sort_failure(error, model="m", key=None, variable="K", url="http://me:planted@h/v1")
    assert "planted" not in str(told)
