"""How many rows a sync has changed, all attempts of its job together."""

from collections import Counter
from uuid import UUID

from mission_control.data.unit_of_work import UnitOfWork


class ChangeTally:
    """Counts in the transaction that makes the changes: an attempt that dies takes none with it.

    Without a job the counts are this process's alone.
    """

    def __init__(self, name: str, job_id: UUID | None = None) -> None:
        self._state = f"{name}.changed"
        self._job = str(job_id) if job_id is not None else None
        self._counts = Counter[str]()

    async def add(self, uow: UnitOfWork, **changed: int) -> None:
        """`changed`: how many more, by what they are (`leads`)."""
        if self._job is None or not any(changed.values()):
            self._counts.update(changed)
            return
        state = await uow.sync_states.of(self._state)
        is_ours = state.position.get("job") == self._job
        before: dict[str, int] = state.position["counts"] if is_ours else {}
        counts = Counter(before)
        counts.update(changed)
        state.position = {"job": self._job, "counts": dict(counts)}

    async def counts(self, uow: UnitOfWork, *kinds: str) -> dict[str, int]:
        """All attempts', for each of these kinds."""
        counts = self._counts
        if self._job is not None:
            state = await uow.sync_states.seen(self._state)
            if state is not None and state.position.get("job") == self._job:
                counts = Counter[str](state.position["counts"])
        return {kind: counts[kind] for kind in kinds}
