"""An embedder with a cache: a thousand conversations about one persona repeat a lot.

Benchmarks check the same statements against every dialogue of a case, and repeat dialogues with
other seeds and models. A vector of MiniLM takes 1.5 kB, so all sentences of a run fit in memory.
"""

from collections.abc import Sequence

import numpy as np

from aloe.memory.embedder import Embedder, Vectors


class CachedEmbedder:
    """Embeds every text once; may be used by several threads.

    Args:
        embedder: what makes the vectors.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.name = embedder.name
        self._embedder = embedder
        self._known: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, in order."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= dict(zip(new, self._embedder.embed(new), strict=True))
        return np.array([self._known[text] for text in texts], dtype=np.float32)
