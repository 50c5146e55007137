"""An embedder for tests: words hashed to directions, so that likeness is shared words."""

import re
import zlib
from collections.abc import Sequence

import numpy as np

from aloe.memory.embedder import Vectors, unit


class BagOfWords:
    name = "bag-of-words"

    def embed(self, texts: Sequence[str]) -> Vectors:
        found = np.full((len(texts), 384), 1e-3, dtype=np.float32)
        for row, text in zip(found, texts, strict=True):
            for word in re.findall(r"\w{3,}", text.lower()):
                row[zlib.crc32(word.encode()) % 384] += 1.0
        return unit(found)


class OtherBag(BagOfWords):
    name = "other-bag"


BAGS = "scripted:bags:BagOfWords"
