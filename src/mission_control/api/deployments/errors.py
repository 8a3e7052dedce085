"""What deployments can refuse."""

from mission_control.core.errors import ConflictError


class NoCandidateError(ConflictError):
    """There is nothing to deploy."""

    code = "no_candidate"

    def __init__(self) -> None:
        super().__init__(
            "There is no candidate to deploy; nothing was changed. Optimize the agent first, "
            "or name the version that you want to deploy."
        )


class NotShownBetterError(ConflictError):
    """The comparison has not shown that this version is better."""

    code = "not_shown_better"

    def __init__(self, version: int, verdict: str | None) -> None:
        found = verdict.replace("_", " ") if verdict else "not compared"
        super().__init__(
            f"Version {version} has not been shown to be better than what is in force "
            f"(verdict: {found}), so it was not deployed. Deploy it all the same with `force`.",
            version=version,
            verdict=verdict,
        )


class ComparedWithAnotherError(ConflictError):
    """The version was shown to be better, but than something else."""

    code = "compared_with_another"

    def __init__(self, version: int, compared_with: int, in_force: int) -> None:
        super().__init__(
            f"Version {version} was shown to be better than version {compared_with}, but version "
            f"{in_force} is in force, so it was not deployed. Optimize again from there, or deploy "
            "it all the same with `force`.",
            version=version,
            compared_with=compared_with,
            in_force=in_force,
        )


class AlreadyInForceError(ConflictError):
    """What is to be deployed is deployed."""

    code = "already_in_force"

    def __init__(self, version: int, in_force: int) -> None:
        super().__init__(
            f"What version {version} says is in force already, as version {in_force}; nothing was "
            "changed. If somebody changed the target since, deploy it again with `overwrite`.",
            version=version,
            in_force=in_force,
        )


class AssistantGoneError(ConflictError):
    """Vapi no longer has the assistant that was deployed to."""

    code = "assistant_gone"

    def __init__(self, assistant_id: str) -> None:
        super().__init__(
            "Vapi no longer has the assistant that this agent was deployed to, so nothing of ours "
            "runs there. Roll back with `force` to give the deployment up; then link the agent to "
            "another assistant.",
            assistant_id=assistant_id,
        )


class AssistantSharedError(ConflictError):
    """Another agent is linked to the same assistant."""

    code = "assistant_shared"

    def __init__(self, agent_id: str, assistant_id: str) -> None:
        super().__init__(
            f"The agent {agent_id} is linked to the same assistant at Vapi; nothing was changed. "
            "Link this agent to another assistant, or take that one's link away once it is "
            "rolled back.",
            agent_id=agent_id,
            assistant_id=assistant_id,
        )


class NothingToRollBackError(ConflictError):
    """No deployment of ours is in force."""

    code = "nothing_to_roll_back"

    def __init__(self) -> None:
        super().__init__("No deployment of this agent is in force, so there is nothing to undo.")


class NothingToTakeOverError(ConflictError):
    """What answers at Vapi is what the current version says, or nothing."""

    code = "nothing_to_take_over"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} Nothing was changed.")


class OverriddenInSquadError(ConflictError):
    """A squad puts texts of its own in the place of the assistant's."""

    code = "overridden_in_squad"

    def __init__(self, squads: list[str]) -> None:
        names = ", ".join(squads)
        super().__init__(
            f"Callers who reach the assistant through {names} hear the texts that the squad has in "
            "its place (`assistantOverrides`), so a deployment would not reach them. Nothing was "
            "deployed. Take the texts out of the squad in Vapi, or deploy for the other callers "
            "with `force`.",
            squads=squads,
        )
