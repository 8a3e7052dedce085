"""What drift can refuse."""

from mission_control.core.errors import ConflictError, NotFoundError


class NotComparedError(NotFoundError):
    """This agent has not been compared with its assistant yet."""

    code = "not_compared"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            "This agent has not been compared with an assistant at Vapi yet. Ask for a comparison "
            "now, or wait for the next one.",
            agent_id=agent_id,
        )


class NoAssistantError(ConflictError):
    """The agent is not linked to an assistant at Vapi."""

    code = "no_assistant"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            "This agent has no assistant at Vapi, so there is nothing to compare it with. Link one, "
            "or deploy the agent first.",
            agent_id=agent_id,
        )


class AgentMovedError(ConflictError):
    """The agent was changed while it was being compared."""

    code = "agent_moved"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            "The agent was changed or deployed while it was compared, so nothing was stored. "
            "Compare it again.",
            agent_id=agent_id,
        )


class ComparedBeforeError(ConflictError):
    """The last comparison is older than the last deployment or rollback."""

    code = "compared_before"

    def __init__(self) -> None:
        super().__init__(
            "The agent was deployed or rolled back since it was last compared with Vapi. It is "
            "compared again in a moment, or now if you ask for it."
        )
