import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from aloe.errors import ConfigError, ModelError
from aloe.memory import embedder
from aloe.memory.embedder import MiniLmEmbedder, open_embedder


@pytest.fixture(scope="module")
def minilm() -> MiniLmEmbedder:
    return MiniLmEmbedder()


def test_minilm_gives_unit_vectors_in_order(minilm: MiniLmEmbedder) -> None:
    texts = ["I am 30.", "I keep bees in a village in Crete and sell honey.", "I am 30."]
    found = minilm.embed(texts)
    assert found.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    assert found[0] @ found[1] < 0.9


def test_minilm_knows_meaning_and_not_case(minilm: MiniLmEmbedder) -> None:
    cat, mat, stocks, shout = minilm.embed(
        [
            "The cat sits on the mat.",
            "A cat is sitting on a rug.",
            "Share prices fell sharply today.",
            "THE CAT SITS ON THE MAT.",
        ]
    )
    assert cat @ mat > 0.7
    assert cat @ stocks < 0.2
    np.testing.assert_allclose(cat, shout, atol=1e-6)


def test_a_vector_does_not_depend_on_its_neighbours(minilm: MiniLmEmbedder) -> None:
    texts = [f"I have {n} goats and {n * n} hens." * (n % 4 + 1) for n in range(9)]
    together = minilm.embed(texts)
    alone = np.concatenate([minilm.embed([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_damaged_copy_of_the_network_is_passed_over(
    minilm: MiniLmEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = minilm.embed(["I keep bees."])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    np.testing.assert_allclose(MiniLmEmbedder().embed(["I keep bees."]), wanted, atol=1e-5)
    (copy,) = (tmp_path / "aloe").iterdir()
    weights, network = copy / "weights.bin", copy / embedder.NETWORK
    whole = weights.read_bytes(), network.read_bytes()
    for damage in (
        lambda: weights.write_bytes(whole[0][:1000]),
        weights.unlink,
        lambda: network.write_bytes(whole[1][:1000]),
        network.unlink,
    ):
        weights.write_bytes(whole[0])
        network.write_bytes(whole[1])
        damage()
        np.testing.assert_allclose(MiniLmEmbedder().embed(["I keep bees."]), wanted, atol=1e-5)


def test_without_room_for_a_copy_the_network_is_read_as_it_is(
    minilm: MiniLmEmbedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(embedder, "NETWORK", "no/such/folder.onnx")  # onnxruntime cannot write it
    found = MiniLmEmbedder().embed(["I keep bees."])
    np.testing.assert_allclose(found, minilm.embed(["I keep bees."]), atol=1e-5)
    assert not list((tmp_path / "aloe").iterdir())


def test_all_of_a_long_text_counts(minilm: MiniLmEmbedder) -> None:
    beginning = " ".join(f"I keep {n} bees near the river." for n in range(40))
    sea = beginning + " I love boats and fishing on the open sea." * 25
    law = beginning + " I study law and mathematics in a cold town." * 25
    one, other, same, last = minilm.embed([sea, law, sea, "I study law in a town."])
    assert one @ other < 0.95
    np.testing.assert_allclose(one, same, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(one), 1.0, atol=1e-5)
    assert other @ last > one @ last + 0.1


def test_a_long_text_changes_no_short_one(minilm: MiniLmEmbedder) -> None:
    short = ["I bake.", "I keep bees and goats in Crete.", "word " * 254]
    np.testing.assert_array_equal(
        minilm.embed([*short, "word " * 256, "sea " * 2000])[:3],
        minilm.embed([*short, "a " * 254])[:3],
    )


@pytest.mark.parametrize("name", ["mini", "openai:", "scripted:bags:Nothing", "scripted:nowhere:X"])
def test_an_unknown_embedder_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name.split(":")[-1] or "openai"):
        open_embedder(name)


class _Endpoint(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        rows = [
            {"index": i, "embedding": [float(len(text)), 1.0], "object": "embedding"}
            for i, text in enumerate(asked["input"])
        ]
        body = json.dumps({"data": rows, "model": "m", "object": "list", "usage": {}}).encode()
        self.send_response(200 if asked["model"] == "good" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_can_take_its_place(endpoint: str) -> None:
    embedder = open_embedder(f"openai:good@{endpoint}")
    assert embedder.name == "openai:good"
    found = embedder.embed(["aaa", "b"])
    np.testing.assert_allclose(found[0], np.array([3, 1]) / np.sqrt(10), atol=1e-5)


def test_a_dead_endpoint_is_one_clear_error() -> None:
    embedder = open_embedder("openai:good@http://127.0.0.1:9/v1")
    with pytest.raises(ModelError, match="embedder openai:good"):
        embedder.embed(["a"])


def test_no_variable_says_where_the_endpoint_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(ConfigError, match=r"OPENAI_BASE_URL .*unset"):
        open_embedder("openai:text-embedding-3-small")


def test_openais_own_endpoint_needs_a_key() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        open_embedder("openai:text-embedding-3-small")
