"""What a model made of each turn: kept for as long as the turn is."""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    and_,
    func,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.data.base import Base
from mission_control.data.conversations import Turn


class TurnVector(Base):
    """What a model made of a turn: little-endian float32, of length one."""

    __tablename__ = "turn_vectors"
    __table_args__ = (Index("ix_turn_vectors_model_turn_id", "model", "turn_id"),)

    turn_id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"),
        ForeignKey("conversation_turns.id", ondelete="CASCADE"),
        primary_key=True,
    )
    model: Mapped[str] = mapped_column(String(120), primary_key=True)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class TurnVectorRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def without_vector(
        self, model: str, *, limit: int, after: int = 0
    ) -> Sequence[tuple[int, str]]:
        """Turns with higher ids that this model has not seen, oldest first: `(id, text)`."""
        statement = (
            select(Turn.id, Turn.text)
            .outerjoin(TurnVector, _made_by(model))
            .where(TurnVector.turn_id.is_(None), Turn.id > after)
            .order_by(Turn.id)
            .limit(limit)
        )
        return [(row[0], row[1]) for row in (await self._session.execute(statement)).all()]

    async def store_vectors(self, model: str, vectors: dict[int, bytes]) -> int:
        """Keep the vectors of turns that are still there. Returns how many that are."""
        there = select(Turn.id).outerjoin(TurnVector, _made_by(model))
        there = there.where(Turn.id.in_(list(vectors)), TurnVector.turn_id.is_(None))
        ids = (await self._session.scalars(there)).all()
        rows = [{"turn_id": each, "model": model, "vector": vectors[each]} for each in ids]
        if rows:
            await self._session.execute(insert(TurnVector), rows)
        return len(rows)

    async def vector_state(self, model: str) -> tuple[int, int]:
        """How many vectors there are of this model, and the highest turn that has one."""
        statement = select(func.count(), func.coalesce(func.max(TurnVector.turn_id), 0))
        row = (await self._session.execute(statement.where(TurnVector.model == model))).one()
        return row[0], row[1]

    async def count_of_texts(self) -> int:
        """Everything that may have a vector: the turns, and the summaries."""
        return await self._session.scalar(select(func.count()).select_from(Turn)) or 0

    async def vectors(self, model: str, *, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """`(turn id, vector)` in the order of the ids."""
        statement = (
            select(TurnVector.turn_id, TurnVector.vector)
            .where(TurnVector.model == model, TurnVector.turn_id > after)
            .order_by(TurnVector.turn_id)
            .limit(limit)
        )
        return [(row[0], row[1]) for row in (await self._session.execute(statement)).all()]


def _made_by(model: str) -> ColumnElement[bool]:
    return and_(TurnVector.turn_id == Turn.id, TurnVector.model == model)
