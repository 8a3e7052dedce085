"""The stand-in for Close in this process, our client on it, and what happens behind its back."""

import asyncio
import base64
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2

from mission_control.api.mirrors.close.sync import sync_close
from mission_control.api.mirrors.report import unreported
from mission_control.api.resources import Resources, build_resources
from mission_control.core.settings import Settings
from mission_control.integrations.close_client import CloseClient
from mission_control_sandbox.close_server import create_app

KEY = "api_key.that.must.not.be.seen"


def speaking(transport: httpx2.AsyncBaseTransport) -> CloseClient:
    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "x-tz-offset": "0"}
    return CloseClient(
        httpx2.AsyncClient(transport=transport, base_url="http://close.test", headers=headers)
    )


async def held_by(settings: Settings, stand_in: Any) -> Resources:
    """What a process holds, with a Close that is this stand-in."""
    built = build_resources(settings)
    await built.close.aclose()
    return replace(built, close=speaking(httpx2.ASGITransport(stand_in)))


def mirrored_copy(migrated: Path, directory: Path, people: int) -> Path:
    """A directory with an SQLite database that has all of such a stand-in, made once and copied."""
    copy = shutil.copytree(migrated, directory / "mirrored")
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite+aiosqlite:///{copy / 'database.db'}",
        redis_url="redis://127.0.0.1:1/0",
        mc_data_dir=directory / "data",
    )

    async def fill() -> None:
        held = await held_by(settings, create_app(people=people))
        await sync_close(held, unreported)
        await held.aclose()

    asyncio.run(fill())
    return copy


class Sandbox:
    """What a test may do to the stand-in while nobody looks."""

    def __init__(self, app: Any) -> None:
        self.http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://close.test", auth=(KEY, "")
        )

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    async def change(self, **what: int) -> Any:
        """Other people work in Close."""
        return await self.post("/sandbox/change", what)

    async def fault(self, kind: str, *, path: str = "/api/v1/lead/", **options: Any) -> None:
        await self.post("/sandbox/faults", {"kind": kind, "path": path, **options})

    async def requests(self, method: str, path: str = "/") -> int:
        asked = (await self.get("/sandbox/requests"))["requests"]
        return sum(one["method"] == method and one["path"].startswith(path) for one in asked)

    async def all(self, resource: str) -> dict[str, dict[str, Any]]:
        """Everything of this kind that Close has, by id."""
        found: dict[str, dict[str, Any]] = {}
        while True:
            page = await self.get(f"/api/v1/{resource}/?_limit=100&_skip={len(found)}")
            found |= {one["id"]: one for one in page["data"]}
            if not page["has_more"]:
                return found
