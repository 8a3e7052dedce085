"""Which version may be deployed: the one that was asked for, if it is proven or forced."""

from mission_control.api.deployments.errors import (
    AlreadyInForceError,
    ComparedWithAnotherError,
    NoCandidateError,
    NotShownBetterError,
)
from mission_control.api.deployments.schemas import DeployRequest
from mission_control.core.words import JobStatus, Verdict
from mission_control.data.agents import AgentVersion
from mission_control.data.optimizations import Optimization
from mission_control.data.unit_of_work import UnitOfWork


async def version_to_deploy(
    uow: UnitOfWork, request: DeployRequest, in_force: AgentVersion
) -> AgentVersion:
    """The version asked for, or the latest candidate; only if proven, unless forced."""
    agent_id = in_force.agent_id
    latest = await uow.optimizations.latest_with_candidate(agent_id)
    if request.version is not None:
        version = await uow.agents.version(agent_id, request.version)
        proof = await uow.optimizations.latest_of_candidate(version.id)
    elif latest is not None and latest.candidate_version_id is not None:
        version, proof = await uow.agents.version_by_id(latest.candidate_version_id), latest
    else:
        raise NoCandidateError
    if not request.force:
        standing = await uow.deployments.standing(agent_id)
        if version.content_hash == in_force.content_hash and standing is not None:
            is_another = request.include_memory or standing.memories is not None
            if is_another or request.overwrite:
                return version  # its prompt is proven; only its memory or the target is another
            raise AlreadyInForceError(version.number, in_force.number)
        await _refuse_unproven(uow, version, proof, in_force)
    return version


async def _refuse_unproven(
    uow: UnitOfWork, version: AgentVersion, proof: Optimization | None, in_force: AgentVersion
) -> None:
    """Only better than what callers hear now counts: an old comparison may be with something else."""
    verdict = proof.verdict.value if proof is not None and proof.verdict else None
    is_better = (
        proof is not None
        and proof.status is JobStatus.COMPLETED
        and proof.verdict is Verdict.BETTER
    )
    if proof is None or not is_better:
        raise NotShownBetterError(version.number, verdict)
    compared_with = await uow.agents.version_by_id(proof.base_version_id)
    if compared_with.content_hash != in_force.content_hash:
        raise ComparedWithAnotherError(version.number, compared_with.number, in_force.number)
