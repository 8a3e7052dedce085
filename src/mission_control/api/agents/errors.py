"""What the agents feature can refuse."""

from mission_control.core.errors import ConflictError, NotAcceptableError


class AgentExistsError(ConflictError):
    """An agent with this id exists already."""

    code = "agent_exists"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            "An agent with this id exists already and was not changed. "
            "Edit or link that agent, or import this one under another name.",
            agent_id=agent_id,
        )


class AgentIdReservedError(NotAcceptableError):
    """The id is a part of an address of ours."""

    code = "agent_id_reserved"
    field = "playbook"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            f"'{agent_id}' is a part of an address here, so that no agent of this id could be asked "
            "for. Nothing was stored; import it under another id.",
            errors=[{"field": "metadata.id", "message": f"It must not be {agent_id}."}],
        )


class AssistantLinkedError(ConflictError):
    """An agent is linked to this assistant already."""

    code = "assistant_linked"

    def __init__(self, agent_id: str | None, assistant_id: str) -> None:
        """`agent_id` is None where somebody linked another one in this very moment."""
        which = f"The agent {agent_id}" if agent_id is not None else "Another agent"
        super().__init__(
            f"{which} is linked to this assistant already; nothing was changed. Work "
            "with that agent, or link it to another assistant first.",
            agent_id=agent_id,
            assistant_id=assistant_id,
        )


class AgentBusyError(ConflictError):
    """A job of this agent is still open."""

    code = "agent_busy"

    def __init__(self, agent_id: str, job_id: str) -> None:
        super().__init__(
            "A job of this agent is still open. Nothing was changed; wait for it or cancel it.",
            agent_id=agent_id,
            job_id=job_id,
        )


class AgentDeployedError(ConflictError):
    """A deployment is in force; where it went cannot be changed under it."""

    code = "agent_deployed"

    def __init__(self, agent_id: str, version: int) -> None:
        super().__init__(
            f"Version {version} is deployed. Nothing was changed; roll back before you change the "
            "type or the assistant of this agent.",
            agent_id=agent_id,
            deployed_version=version,
        )


class AgentIdChangedError(NotAcceptableError):
    """The playbook belongs to another agent."""

    code = "agent_id_changed"
    field = "playbook"

    def __init__(self, agent_id: str, found: str) -> None:
        super().__init__(
            f"The playbook says that it is '{found}', not '{agent_id}'. Nothing was changed; "
            "import it as an agent of its own.",
            errors=[{"field": "metadata.id", "message": f"It must be {agent_id}."}],
        )


class VersionChangedError(ConflictError):
    """Somebody stored a newer version meanwhile."""

    code = "version_changed"

    def __init__(self, current: int) -> None:
        super().__init__(
            f"Somebody stored version {current} since you read this agent. Nothing was changed; "
            "read it again and repeat your edit.",
            current_version=current,
        )


class DeploymentRunningError(ConflictError):
    """A deployment or rollback of this agent is still going on."""

    code = "deployment_running"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            "A deployment or rollback of this agent is still going on; nothing new was started.",
            job_id=job_id,
        )
