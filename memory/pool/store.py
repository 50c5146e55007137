"""Where a pool's vectors are kept: Chroma in a folder beside it, or a shared server.

A store remembers the embedder and the threshold that it was made with, and refuses others. It is
also refused if the embedder of that name now makes other vectors of its texts.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aloe.config import PersonasConfig
from aloe.errors import AloeError, ConfigError, StoreError
from aloe.memory.axes import KINDS, Kind
from aloe.memory.embedder import Embedder, Vectors, made_by
from aloe.memory.pool.files import PoolFiles
from aloe.memory.pool.index import GRAPH, DescriptionIndex
from aloe.schema import digest
from aloe.secrets import one_line, redact

REMEDY = (
    "the personas are safe in their own file; free some space, start the server, or delete the "
    "folder, which will be rebuilt"
)
"""What can be done about a store that fails before anything was admitted."""


@contextmanager
def explain_store_failure(store: str | Path, then: str) -> Iterator[None]:
    """Turn what Chroma raises (a full disk, a broken file, a server that is gone) into one error.

    Args:
        store: folder or URL.
        then: what is saved and what can be done.
    """
    try:
        yield
    except AloeError:
        raise
    except Exception as error:
        raise StoreError(f"{store} cannot be used ({one_line(error)}); {then}") from None


@contextmanager
def connect(files: PoolFiles, url: str | None) -> Iterator[Any]:
    """Give a client of the Chroma server at `url`, or of the pool's own folder without one.

    Raises:
        ConfigError: `url` is no URL.
        StoreError: no server answers there, or the folder cannot be used.
    """
    client = _open_client(files, url)
    try:
        yield client
    finally:
        client.close()
        if url:
            # Closing a client leaves its two HTTP connections open.
            for each in (client, client._admin_client):
                each._server._session.close()


def _open_client(files: PoolFiles, url: str | None) -> Any:
    import chromadb
    from chromadb.config import Settings

    settings = Settings(anonymized_telemetry=False)
    if url is None:
        with explain_store_failure(files.folder, REMEDY):
            return chromadb.PersistentClient(path=str(files.chroma), settings=settings)
    host, port, ssl = _place(url)
    try:
        return chromadb.HttpClient(host=host, port=port, ssl=ssl, settings=settings)
    except Exception as error:
        raise StoreError(
            f"no Chroma server answers at {redact(url)} ({type(error).__name__}); start one with "
            "`chroma run`, or leave personas.store out"
        ) from None


def _place(url: str) -> tuple[str, int, bool]:
    """Return host, port and whether to encrypt; whatever else a URL says would not be asked."""
    parts = urlsplit(url)
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    try:
        port = parts.port
    except ValueError:
        port, more = None, "no number"
    if parts.scheme not in ("http", "https") or not parts.hostname or more:
        raise ConfigError(
            f"personas.store = '{redact(url)}' is not a URL such as http://host:8000, without "
            "user, path or query"
        )
    ssl = parts.scheme == "https"
    return parts.hostname, port or (443 if ssl else 8000), ssl


def open_collection(
    client: Any, kind: Kind, config: PersonasConfig, embedder: Embedder, files: PoolFiles
) -> Any:
    """Return the collection of `kind`, made if need be; never with Chroma's own embedder.

    Raises:
        StoreError: it was made with another embedder or threshold.
    """
    made_with = {"embedder": embedder.name, "threshold": config.threshold}
    collection = client.get_or_create_collection(
        kind, embedding_function=None, metadata={"hnsw:space": "cosine", **GRAPH, **made_with}
    )
    stored = collection.metadata or {}
    where = config.store or files.chroma
    for what, now in made_with.items():
        if stored.get(what) != now:
            raise StoreError(
                f"{where} was made with {what} {stored.get(what)}, now it is {now}; change it "
                "back, name another --out, or delete it to embed again"
            )
    return collection


def check_vectors(
    indexes: Mapping[Kind, DescriptionIndex],
    texts: Mapping[Kind, str],
    embedder: Embedder,
    where: str,
) -> None:
    """Make sure that the stored vectors of these texts are those that `embedder` makes.

    Raises:
        StoreError: they are another model's, or were made otherwise.
    """
    for kind, text in texts.items():
        vector = indexes[kind].find(digest(text))
        if vector is not None and not made_by(embedder, text, vector):
            raise StoreError(
                f"{where} was made with another embedder, though of the name {embedder.name}: its "
                "vectors differ; name the server that made it, or delete it to embed again"
            )


def read_vectors(path: Path, embedder: str) -> dict[Kind, dict[str, Vectors]]:
    """Return the vectors kept beside a pool, by text id; none if another embedder made them.

    Raises:
        StoreError: another process is writing the pool.
    """
    files = PoolFiles(path)
    found: dict[Kind, dict[str, Vectors]] = {kind: {} for kind in KINDS}
    if not files.chroma.exists():
        return found
    with (
        files.writing(),
        explain_store_failure(files.folder, REMEDY),
        connect(files, None) as client,
    ):
        for collection in client.list_collections():
            if collection.name not in KINDS or collection.metadata.get("embedder") != embedder:
                continue
            index = DescriptionIndex(collection, 0)
            for ids, rows in index.stored():
                found[collection.name].update(zip(ids, rows, strict=True))
    return found
