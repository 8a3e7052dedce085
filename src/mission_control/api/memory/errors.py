"""What the memory feature can refuse."""

from mission_control.core.errors import ConflictError


class ContextChangedError(ConflictError):
    """Somebody else has saved the agent's context meanwhile."""

    code = "context_changed"

    def __init__(self, agent_id: str, number: int | None) -> None:
        super().__init__(
            "This agent's context was changed since you read it; nothing was saved. Read it "
            "again, and repeat your change on what is there now.",
            agent_id=agent_id,
            number=number,
        )
