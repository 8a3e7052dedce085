"""Vectors for texts: by any server with OpenAI's `/embeddings`, in the background, resumable."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import numpy as np
import structlog
from numpy.typing import NDArray
from pydantic import SecretStr

from mission_control.core.settings import Settings
from mission_control.memory_servers.errors import EmbeddingError, EmbeddingUnavailableError
from mission_control.memory_servers.units import UnitsOfWork

log = structlog.get_logger(__name__)

Vectors = NDArray[np.float32]
LONGEST_EMBEDDED = 4_000  # characters of a turn; models take about 8,000 tokens
TEXTS_AT_ONCE = 64
ANSWER_SECONDS = 30.0


class Embedder(Protocol):
    """Makes one vector of length one for each text."""

    @property
    def model(self) -> str:
        """Its name; vectors of different models are never compared."""
        ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text.

        Raises:
            EmbeddingUnavailableError: It does not answer.
            EmbeddingError: It answers with something else.
        """
        ...


@dataclass(frozen=True, slots=True)
class EmbeddingServer:
    """Any server that speaks OpenAI's `/embeddings`."""

    model: str
    http: httpx2.AsyncClient

    async def embed(self, texts: Sequence[str]) -> Vectors:
        asked = {"model": self.model, "input": [each[:LONGEST_EMBEDDED] for each in texts]}
        try:
            response = await self.http.post("embeddings", json=asked)
        except httpx2.HTTPError as lost:
            raise EmbeddingUnavailableError(
                f"The embedding model does not answer ({type(lost).__name__}). Texts are found by "
                "their words meanwhile."
            ) from lost
        if response.status_code != 200:
            raise EmbeddingUnavailableError(
                f"The embedding model {self.model} refused with HTTP {response.status_code}. Look at "
                "MC_EMBEDDING_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY.",
                status=response.status_code,
            )
        return _vectors_of(response, len(texts))

    async def aclose(self) -> None:
        await self.http.aclose()


def open_embedder(settings: Settings) -> EmbeddingServer | None:
    """The configured one, at the server of the language model. None: search by words alone."""
    if settings.mc_embedding_model is None:
        return None
    key = settings.openai_api_key or SecretStr("sandbox")
    return EmbeddingServer(
        settings.mc_embedding_model,
        httpx2.AsyncClient(
            base_url=settings.model_base_url,
            headers={"Authorization": f"Bearer {key.get_secret_value()}"},
            timeout=ANSWER_SECONDS,
        ),
    )


@dataclass(frozen=True, slots=True)
class Embedded:
    """How many vectors were made, and how many texts of all have one now."""

    made: int
    with_vector: int
    texts: int


async def embed_missing(
    units: UnitsOfWork,
    embedder: Embedder,
    *,
    at_most: int | None = None,
    seconds: float | None = None,
    report: Callable[[Embedded], Awaitable[None]] | None = None,
) -> Embedded:
    """Give texts without a vector one, oldest first. Stopped at any time, it goes on from there.

    `seconds`: begin no batch after that long. Each batch is stored by itself; nothing is locked while the model thinks.

    Raises:
        EmbeddingUnavailableError, EmbeddingError: What was made so far is kept.
    """
    made, last = 0, 0
    end = float("inf") if seconds is None else time.monotonic() + seconds
    while (at_most is None or made < at_most) and time.monotonic() < end:
        wanted = TEXTS_AT_ONCE if at_most is None else min(TEXTS_AT_ONCE, at_most - made)
        async with units(readonly=True) as uow:
            waiting = await uow.turn_vectors.without_vector(
                embedder.model, limit=wanted, after=last
            )
        if not waiting:
            break
        last = waiting[-1][0]
        vectors = await embedder.embed([text for _, text in waiting])
        rows = {turn: as_bytes(row) for (turn, _), row in zip(waiting, vectors, strict=True)}
        async with units() as uow:
            made += await uow.turn_vectors.store_vectors(embedder.model, rows)
        if report is not None:
            await report(await _so_far(units, embedder.model, made))
    done = await _so_far(units, embedder.model, made)
    log.info("texts_embedded", made=done.made, with_vector=done.with_vector, texts=done.texts)
    return done


def as_bytes(vector: Vectors) -> bytes:
    return np.asarray(vector, dtype="<f4").tobytes()


def from_bytes(rows: Sequence[bytes]) -> Vectors:
    return np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1)


def of_length_one(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)


async def _so_far(units: UnitsOfWork, model: str, made: int) -> Embedded:
    async with units(readonly=True) as uow:
        with_vector, _ = await uow.turn_vectors.vector_state(model)
        return Embedded(made, with_vector, await uow.turn_vectors.count_of_texts())


def _vectors_of(response: httpx2.Response, count: int) -> Vectors:
    try:
        data: list[dict[str, Any]] = response.json()["data"]
        in_order = sorted(data, key=lambda each: each["index"])
        rows = np.array([each["embedding"] for each in in_order], dtype=np.float32)
    except (ValueError, TypeError, KeyError) as wrong:
        raise EmbeddingError("The embedding model's answer holds no vectors.") from wrong
    if rows.ndim != 2 or len(rows) != count or not rows.size or not np.isfinite(rows).all():
        raise EmbeddingError(
            f"The embedding model was given {count} texts, and did not answer with one vector each."
        )
    return of_length_one(rows)
