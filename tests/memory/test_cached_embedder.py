import numpy as np
from bags import BagOfWords

from aloe.memory.cached_embedder import CachedEmbedder


class Counting(BagOfWords):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts):
        self.asked += texts
        return super().embed(texts)


def test_every_text_is_embedded_once() -> None:
    inner = Counting()
    embedder = CachedEmbedder(inner)
    first = embedder.embed(["a b", "c", "a b"])
    second = embedder.embed(["c", "d", "a b"])
    assert inner.asked == ["a b", "c", "d"]
    np.testing.assert_array_equal(first[[1, 0]], second[[0, 2]])
    np.testing.assert_array_equal(first, Counting().embed(["a b", "c", "a b"]))
    assert embedder.name == inner.name
