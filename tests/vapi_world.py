"""The API in this process with a stand-in for Vapi in this process: quick, and all its own."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2

from mission_control.api.app import create_app
from mission_control.api.deployments.work import DeployWork, RollbackWork
from mission_control.api.jobs.work import run_job
from mission_control.api.resources import Resources
from mission_control.core.words import AgentType, JobKind
from mission_control.data.event_streams import stream_key
from mission_control.data.outbox_relay import LEASE_KEY
from mission_control.integrations.vapi_client import VAPIClient
from mission_control_sandbox import vapi_server
from tests.builders import a_playbook, a_version, an_agent

KEY = "key-of-a-test"
ASSISTANT = "5f2d1c7e-8a34-4b69-b0d7-61e0a9c3f2aa"
WORK = {JobKind.DEPLOY: DeployWork, JobKind.ROLLBACK: RollbackWork}


def an_assistant(assistant_id: str = ASSISTANT, **changes: Any) -> dict[str, Any]:
    return {
        "id": assistant_id,
        "orgId": "0b8f6a52-6c1d-4d0e-9f5b-2a7c41d3e901",
        "createdAt": "2026-05-04T14:02:11.318Z",
        "updatedAt": "2026-05-04T14:02:11.318Z",
        "name": "ADA",
        "firstMessage": "Hello.",
        "model": {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "temperature": 0.4,
            "messages": [{"role": "system", "content": "Written in Vapi."}],
            "tools": [{"type": "endCall"}],
        },
        "voice": {"provider": "vapi", "voiceId": "Elliot"},
        **changes,
    }


class World:
    """The API, and Vapi behind it."""

    def __init__(
        self, resources: Resources, api: Any, http: httpx2.AsyncClient, vapi_app: Any
    ) -> None:
        self.resources = resources
        self.http = http
        self.vapi_app = vapi_app
        self._api = api

    def loses_vapi(self, vapi: VAPIClient) -> None:
        """From now on the API has another Vapi behind it."""
        self._api.state.resources = replace(self.resources, vapi=vapi)

    async def has(self, agent_id: str = "ada", *, prompt: str = "Ours.", **spec: Any) -> None:
        """An agent that is linked to the assistant."""
        async with self.resources.unit_of_work() as uow:
            linked: dict[str, Any] = {"vapi_assistant_id": ASSISTANT, "type": AgentType.PHONE_BOT}
            agent = await an_agent(uow, agent_id, **linked)
            await self._version(uow, agent, prompt, spec)

    async def now_says(self, prompt: str, *, is_current: bool = True, **spec: Any) -> None:
        async with self.resources.unit_of_work() as uow:
            agent = await uow.agents.get("ada")
            version = await self._version(uow, agent, prompt, spec)
            if is_current:
                agent.current_version = version.number

    async def _version(self, uow: Any, agent: Any, prompt: str, spec: dict[str, Any]) -> Any:
        playbook = a_playbook(agent.id, prompt=prompt, **spec)
        number = await uow.agents.next_number(agent.id)
        return await a_version(
            uow, agent, prompt=prompt, playbook=playbook, content_hash=f"{number:064}"
        )

    async def ask(self, what: str, **body: Any) -> httpx2.Response:
        """Ask for a deployment, a rollback or a take-over."""
        return await self.http.post(f"/api/optimize/ada/{what}", json=body)

    async def done(self, what: str, **body: Any) -> dict[str, Any]:
        """The job of it, once it is over."""
        answer = await self.ask(what, **body)
        assert answer.status_code == 202, answer.text
        return await self.run(answer.json())

    async def deploy(self, version: int = 1, *, overwrite: bool = False) -> dict[str, Any]:
        return await self.done("deploy", version=version, force=True, overwrite=overwrite)

    async def run(self, job: dict[str, Any]) -> dict[str, Any]:
        work = WORK[JobKind(job["kind"])](UUID(job["id"]))
        await run_job(self.resources, UUID(job["id"]), work)
        return (await self.http.get(f"/api/jobs/{job['id']}")).json()

    async def live(self) -> dict[str, Any]:
        return await self.resources.vapi.get_assistant(ASSISTANT)

    def to_vapi(self) -> httpx2.AsyncClient:
        """For what only the stand-in can be asked for."""
        transport = httpx2.ASGITransport(self.vapi_app)
        return httpx2.AsyncClient(transport=transport, base_url="http://vapi.test")

    async def edit(self, **changes: Any) -> None:
        """Somebody works in Vapi's dashboard."""
        await self.resources.vapi.update_assistant(ASSISTANT, changes)

    async def edit_model(self, **changes: Any) -> None:
        await self.edit(model={**(await self.live())["model"], **changes})

    async def compared(self) -> dict[str, Any]:
        answer = await self.http.post("/api/agents/ada/drift")
        assert answer.status_code == 200, answer.text
        assert (await self.http.get("/api/agents/ada/drift")).json() == answer.json()
        return answer.json()

    async def events(self) -> list[tuple[str, Any]]:
        await self.resources.redis.delete(LEASE_KEY)  # of another test's relay
        await self.resources.relay.run_once()
        entries: Any = await self.resources.redis.xrange(stream_key("system"))
        return entries


Through = Callable[[httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport]


def vapi_in_process(app: Any, through: Through | None = None) -> VAPIClient:
    """`through`: what stands between the client and the stand-in."""
    transport: httpx2.AsyncBaseTransport = httpx2.ASGITransport(app)
    return VAPIClient(
        httpx2.AsyncClient(
            transport=transport if through is None else through(transport),
            base_url="http://vapi.test",
            headers={"Authorization": f"Bearer {KEY}"},
        )
    )


FAILURES: list[tuple[int, str, dict[str, str], int, str]] = [
    (503, "<html>", {}, 424, "integration_unavailable"),
    (401, '{"message": "Invalid Key.", "statusCode": 401}', {}, 424, "integration_credentials"),
    (429, "{}", {"Retry-After": "77"}, 429, "integration_rate_limited"),
    (200, "<html>", {}, 424, "integration_contract"),
    (404, "{}", {}, 424, "integration_not_found"),
]


def failing(status: int, text: str = "", headers: dict[str, str] | None = None) -> VAPIClient:
    """A Vapi that always answers like this."""
    answer = httpx2.MockTransport(lambda _: httpx2.Response(status, text=text, headers=headers))
    return VAPIClient(httpx2.AsyncClient(transport=answer, base_url="http://vapi.test"))


@asynccontextmanager
async def vapi_world(
    resources: Resources, *assistants: dict[str, Any], through: Through | None = None
) -> AsyncGenerator[World]:
    vapi_app = vapi_server.create_app(assistants=assistants or [an_assistant()], whitelist=False)
    vapi = vapi_in_process(vapi_app, through)
    held = replace(resources, vapi=vapi)
    api = create_app(held)
    api.state.resources = held  # without its lifespan, which would start an engine
    transport = httpx2.ASGITransport(api)
    async with vapi, httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield World(held, api, http, vapi_app)
