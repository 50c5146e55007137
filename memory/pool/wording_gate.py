"""A gate that goes by words alone, for texts that no vector tells apart (see `blur`)."""

from collections.abc import Sequence

from aloe.memory.axes import Kind
from aloe.memory.embedder import Vectors
from aloe.memory.personas import iter_personas
from aloe.memory.pool.blur import words_alone
from aloe.memory.pool.gate import Fate, PersonaPool
from aloe.memory.pool.index import Neighbour
from aloe.schema import digest


class WordingGate:
    """Lets in all but copies word for word, of the pool's own file and of what it let in before.

    Args:
        pool: holds what is let in.
    """

    def __init__(self, pool: PersonaPool) -> None:
        self._pool = pool
        self._first: dict[Kind, dict[str, str]] = {}
        """The first text of each wording, by kind: its id."""

    def gate(self, kind: Kind, texts: Sequence[str], vectors: Vectors) -> list[Fate]:
        """Decide texts in order; the vectors of those accepted are held until admitted."""
        if kind not in self._first:
            self._first[kind] = self._read(kind)
        first = self._first[kind]
        fates, fresh = [], []
        for row, text in enumerate(texts):
            there = first.get(words := words_alone(text))
            fates.append(Fate(accepted=not there, nearest=Neighbour(there, 1.0) if there else None))
            if not there:
                first[words] = digest(text)
                fresh.append(row)
        self._pool.hold(kind, [texts[row] for row in fresh], vectors[fresh])
        return fates

    def _read(self, kind: Kind) -> dict[str, str]:
        path = self._pool.files.personas
        texts = (getattr(each, kind) for each in (iter_personas(path) if path.exists() else ()))
        return {words_alone(text): digest(text) for text in texts}
