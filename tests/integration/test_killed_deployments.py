"""A worker killed at every await of a deployment and of a rollback: the next one finishes it."""

import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from mission_control.api.deployments.commands import request_deploy, request_rollback
from mission_control.api.deployments.plan import Asked
from mission_control.api.deployments.schemas import DeployRequest, RollbackRequest
from mission_control.api.deployments.work import DeployWork
from mission_control.api.jobs.work import run_job
from mission_control.api.resources import Resources
from mission_control.core.words import AgentType
from mission_control.integrations.vapi_client import open_vapi
from tests.builders import a_playbook, a_version, an_agent
from tests.services import REPOSITORY

THEIRS, OURS = "Written in Vapi.", "Ours: {{name}}."
TOOLS = [{"type": "endCall"}]


async def an_assistant_there(vapi_server: str) -> dict[str, Any]:
    async with open_vapi(vapi_server, SecretStr("sandbox")) as vapi:
        model = {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "messages": [{"role": "system", "content": THEIRS}],
            "tools": TOOLS,
        }
        created = await vapi.create_assistant(
            {"name": "killed", "model": model, "firstMessage": "Hello."}
        )
        return dict(created)


async def prepared(resources: Resources, assistant_id: str, kind: str) -> UUID:
    """The id of a job of this kind that waits to be done."""
    async with resources.unit_of_work() as uow:
        linked: dict[str, Any] = {"type": AgentType.PHONE_BOT, "vapi_assistant_id": assistant_id}
        agent = await an_agent(uow, **linked)
        playbook = a_playbook(prompt=OURS, first_message="Hi.")
        await a_version(uow, agent, prompt=OURS, playbook=playbook)
    request = DeployRequest(version=1, force=True)
    job = await request_deploy(resources, "ada", request, Asked("a test"))
    if kind == "deploy":
        return job.id
    await run_job(resources, job.id, DeployWork(job.id))
    return (await request_rollback(resources, "ada", RollbackRequest(), Asked("a test"))).id


def merged(url: str) -> Path:
    """The database as one file."""
    path = Path(url.removeprefix("sqlite+aiosqlite:///"))
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


async def experiment(plan: dict[str, Any]) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "tests.killed_deployments",
        cwd=REPOSITORY, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await process.communicate(json.dumps(plan).encode())
    assert process.returncode == 0, (output + errors).decode()[-3_000:]
    lines = [line for line in output.decode().splitlines() if line.startswith('{"moment"')]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
async def test_killed_at_every_await(
    resources: Resources, vapi_server: str, tmp_path: Path, kind: str
) -> None:
    assistant = await an_assistant_there(vapi_server)
    job_id = await prepared(resources, assistant["id"], kind)
    async with open_vapi(vapi_server, SecretStr("sandbox")) as vapi:
        assistant = dict(await vapi.get_assistant(assistant["id"]))
    await resources.engine.dispose()
    settings = resources.settings
    told = await experiment(
        {
            "kind": kind,
            "every": 1,
            "job_id": str(job_id),
            "database": str(merged(settings.database)),
            "data_dir": str(settings.data_dir),
            "redis_url": settings.redis,
            "vapi_url": vapi_server,
            "assistant": assistant,
        }
    )
    ended = ("live", "verified") if kind == "deploy" else ("dev", "rolled_back")
    wanted = (OURS, "Hi.") if kind == "deploy" else (THEIRS, "Hello.")
    assert len(told) > (80 if kind == "deploy" else 60)  # the awaits of one job
    assert told[-1]["killed"]["job"] == "completed", told[-1]  # nothing was left to kill
    taken_up = [each for each in told if "after" in each]
    assert len(taken_up) > (5 if kind == "deploy" else 3)
    for each in taken_up:
        after = each["after"]
        assert (after["prompt"], after["first_message"]) == wanted, each
        assert (after["tools"], after["rest_untouched"]) == (TOOLS, True), each
        assert after["job"] == "completed", each
        assert (after["agent"], after["deployment"]) == ended, each
        assert (after["deployed_version"] is not None) is (kind == "deploy"), each
    for each in told:
        if each["killed"]["agent"] == "live":
            assert (each["killed"]["prompt"], each["killed"]["first_message"]) == (OURS, "Hi."), (
                each
            )
    # It was killed where it matters: changed at Vapi, not yet said in the database.
    unsaid = [
        each
        for each in told
        if each["killed"]["prompt"] == wanted[0] and each["killed"]["job"] == "running"
    ]
    assert len(unsaid) > 3
