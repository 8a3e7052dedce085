"""Every vector of one model in memory, and the nearest of them to a question."""

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mission_control.data.unit_of_work import UnitOfWork
from mission_control.memory_servers.hybrid.embedding import Vectors, from_bytes

LOADED_AT_ONCE = 20_000


class DenseIndex:
    """Brute force: 100,000 vectors of 384 numbers are compared in about 10 ms.

    Turns are never changed and their ids never used again, so only what is new is read.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._lock = asyncio.Lock()
        self._ids: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._vectors: Vectors = np.empty((0, 0), dtype=np.float32)

    async def refresh(self, uow: UnitOfWork) -> None:
        """Come to hold what the database holds."""
        async with self._lock:
            count, highest = await uow.turn_vectors.vector_state(self._model)
            if (count, highest) == (len(self._ids), self._highest):
                return
            known = await self._loaded(uow, self._ids, self._vectors)
            if len(known[0]) != count:  # some were deleted, or made out of order
                known = await self._loaded(uow, self._ids[:0], self._vectors[:0])
            self._ids, self._vectors = known  # at once: others search meanwhile

    def nearest(
        self, question: Vectors, *, limit: int, within: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """`(turn id, cosine)`, best first; only of the turns in `within`, if given."""
        ids, vectors = self._ids, self._vectors
        if within is not None:
            chosen = np.isin(ids, np.fromiter(within, dtype=np.int64))
            ids, vectors = ids[chosen], vectors[chosen]
        if not len(ids) or vectors.shape[1] != question.shape[0]:
            return []
        scores = vectors @ question
        most = min(limit, len(ids))
        best = np.argpartition(-scores, most - 1)[:most]
        order = best[np.lexsort((ids[best], -scores[best]))]
        return [(int(ids[at]), float(scores[at])) for at in order]

    @property
    def _highest(self) -> int:
        return int(self._ids[-1]) if len(self._ids) else 0

    async def _loaded(
        self, uow: UnitOfWork, known: NDArray[np.int64], of_known: Vectors
    ) -> tuple[NDArray[np.int64], Vectors]:
        """What is known, and what the database holds beyond it."""
        ids, vectors = [known], [of_known]
        after = int(known[-1]) if len(known) else 0
        while rows := await uow.turn_vectors.vectors(
            self._model, after=after, limit=LOADED_AT_ONCE
        ):
            after = rows[-1][0]
            ids.append(np.array([each for each, _ in rows], dtype=np.int64))
            vectors.append(from_bytes([vector for _, vector in rows]))
        held = [each for each in vectors if each.size] or vectors[:1]
        return np.concatenate(ids), np.concatenate(held)
