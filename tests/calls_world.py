"""The API in this process, with a small stand-in for Vapi behind it whose webhooks come back in."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import select

from mission_control.api.app import create_app
from mission_control.api.mirrors.report import SyncReport, unreported
from mission_control.api.mirrors.vapi.sync import sync_vapi_calls
from mission_control.api.resources import Resources, build_resources
from mission_control.api.webhooks.batching import MessageBatch
from mission_control.core.clock import utc_now
from mission_control.core.settings import Settings
from mission_control.core.words import AgentType, CallSource
from mission_control.data.calls import Call, CallContent
from mission_control.integrations.vapi_client import VAPIClient
from mission_control_sandbox import vapi_server
from mission_control_sandbox.vapi.webhook_credentials import Credential
from mission_control_sandbox.vapi.webhooks import Destination
from tests.builders import an_agent

TODAY = date(2026, 11, 20)
TOKEN = "sandbox"  # noqa: S105  # the stand-in's
OUR_URL = "http://127.0.0.1/webhooks/vapi"


class CallsWorld:
    """`http` talks to our API, `vapi` to the stand-in."""

    def __init__(
        self, resources: Resources, http: httpx2.AsyncClient, vapi: httpx2.AsyncClient
    ) -> None:
        self.resources = resources
        self.http = http
        self.vapi = vapi

    async def has_agents(self) -> None:
        """REMUS, GENESIS and SCOUT; nobody said yet which assistants are theirs."""
        async with self.resources.unit_of_work() as uow:
            for name in ("remus", "genesis", "scout"):
                await an_agent(uow, name, type=AgentType.PHONE_BOT)

    async def sync(self, report: SyncReport = unreported) -> dict[str, int]:
        return await sync_vapi_calls(self.resources, report)

    async def tell(self, message: dict[str, Any], **headers: str) -> httpx2.Response:
        """Send one server message to our webhook, as Vapi would."""
        sent = headers or {"Authorization": f"Bearer {TOKEN}"}
        return await self.http.post("/webhooks/vapi", json={"message": message}, headers=sent)

    async def replay(self, **asked: Any) -> dict[str, Any]:
        return (await self.vapi.post("/sandbox/webhooks/replay", json=asked)).json()

    async def places_a_call(self, *, tomorrow: bool) -> dict[str, Any]:
        """An outbound call of the stand-in's first assistant."""
        [assistant, *_] = (await self.vapi.get("/assistant")).json()
        [number, *_] = (await self.vapi.get("/phone-number")).json()
        at = (utc_now() + timedelta(days=1)).isoformat()
        body = {
            "assistantId": assistant["id"],
            "phoneNumberId": number["id"],
            "customer": {"number": "+14155550123"},
            **({"schedulePlan": {"earliestAt": at}} if tomorrow else {}),
        }
        answer = await self.vapi.post("/call", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def breaks(self, **fault: Any) -> None:
        """Vapi answers the next requests so."""
        await self.vapi.post("/sandbox/faults", json={"times": 50, **fault})

    async def requests(self, path: str) -> int:
        asked = (await self.vapi.get("/sandbox/requests")).json()["requests"]
        return sum(each["path"].startswith(path) for each in asked)

    async def totals(self) -> dict[str, Any]:
        return (await self.http.get("/api/calls/totals")).json()

    async def rows(self) -> list[dict[str, Any]]:
        """Everything that is stored of calls, but our own ids and times."""
        statement = select(Call, CallContent).join(CallContent, CallContent.call_id == Call.id)
        async with self.resources.unit_of_work(readonly=True) as uow:
            found = await uow._session.execute(statement.order_by(Call.external_id))
            return [
                {
                    **{c.key: getattr(call, c.key) for c in Call.__table__.columns},
                    **{c.key: getattr(content, c.key) for c in CallContent.__table__.columns},
                    **dict.fromkeys(("id", "call_id", "updated_at")),
                }
                for call, content in found
            ]

    async def forget(self, external_ids: Sequence[str]) -> None:
        async with self.resources.unit_of_work() as uow:
            await uow.calls.delete(CallSource.VAPI, external_ids)


def settings_for(database_url: str, redis_url: str, directory: Path, **changes: Any) -> Settings:
    return Settings(
        _env_file=None,
        database_url=database_url,
        redis_url=redis_url,
        mc_data_dir=directory / "data",
        **changes,
    )


@asynccontextmanager
async def calls_world(settings: Settings, *, people: int = 20) -> AsyncGenerator[CallsWorld]:
    """Without the lifespan of the app: nothing here needs an engine or live events."""
    async with AsyncExitStack() as stack:
        held = build_resources(settings)
        stack.push_async_callback(held.aclose)
        ours = create_app(held)
        to_us = httpx2.ASGITransport(ours)
        theirs = vapi_server.create_app(
            people=people,
            today=TODAY,
            webhooks=Destination(url=OUR_URL, credential=Credential(type="bearer", token=TOKEN)),
            webhook_transport=to_us,
        )
        stack.push_async_callback(theirs.state.stand_in.exchange.close)
        headers = {"Authorization": "Bearer key", "User-Agent": "test"}
        to_vapi = httpx2.ASGITransport(theirs)
        vapi = httpx2.AsyncClient(transport=to_vapi, base_url="http://vapi", headers=headers)
        used = httpx2.AsyncClient(transport=to_vapi, base_url="http://vapi", headers=headers)
        http = httpx2.AsyncClient(transport=to_us, base_url="http://127.0.0.1")
        for client in (vapi, used, http):
            await stack.enter_async_context(client)
        resources = replace(held, vapi=VAPIClient(used))
        ours.state.resources = resources
        ours.state.message_batch = MessageBatch(resources)
        yield CallsWorld(resources, http, vapi)
