"""Somebody edits an assistant before any request that the product sends Vapi: what becomes of it.

Seeded: each number is one assistant, one thing that is asked here, and one or two edits there. An
edit is still there, or replaced on a recorded word, or taken over as a version; between our reading
and our writing, where Vapi locks nothing, it is noticed by Vapi's count of versions.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from mission_control.api.jobs.work import run_job
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.words import AgentType, JobKind
from mission_control.integrations.vapi_client import VAPIClient
from tests.builders import a_playbook, a_version, an_agent
from tests.vapi_world import WORK, World, an_assistant, vapi_world

MOMENTS = 9  # more than any of these sends requests; what is left over comes after all of them
UNSEEN = "between our reading it and our writing it"
NAMED = {
    "changed_at_vapi", "vapi_prompt_ambiguous", "assistant_changed_in_vapi", "nothing_to_take_over",
    "nothing_to_roll_back", "already_in_force",
    "deploy_not_verified",  # they changed another field in the gap, and Vapi counts no versions
}  # fmt: skip


class KilledError(BaseException):
    """The worker dies here."""


@dataclass
class Meddler(httpx2.AsyncBaseTransport):
    """Stands between the product and Vapi, and lets others get in between."""

    inner: httpx2.AsyncBaseTransport = field(default_factory=httpx2.AsyncHTTPTransport)
    edits: dict[int, Callable[[], None]] = field(default_factory=dict)
    dies_at: int | None = None
    sent: int = 0
    in_the_gap: set[int] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def through(self, inner: httpx2.AsyncBaseTransport) -> "Meddler":
        self.inner = inner
        return self

    def begin(self, edits: dict[int, Callable[[], None]], dies_at: int | None) -> None:
        self.edits, self.dies_at, self.sent, self.in_the_gap = dict(edits), dies_at, 0, set()
        self.log = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        moment, self.sent = self.sent, self.sent + 1
        self.log.append(f"{moment} {request.method} {request.url.path[:10]}")
        if moment in self.edits:
            self.edits.pop(moment)()
            if request.method == "PATCH":
                self.in_the_gap.add(moment)
        answer = await self.inner.handle_async_request(request)
        if moment == self.dies_at:
            self.dies_at = None
            raise KilledError
        return answer

    def rest(self) -> None:
        """What was to come at a moment that did not come, comes now."""
        for moment in sorted(self.edits):
            self.edits.pop(moment)()
        self.dies_at = None


@dataclass
class Edit:
    """What somebody does at Vapi. `text` is what may not be lost; a later edit may replace it."""

    number: int
    kind: str

    @property
    def text(self) -> str:
        return f"Theirs {self.number}: never quote prices. "

    def on(self, assistant: dict[str, Any]) -> dict[str, Any]:
        model = dict(assistant["model"])
        messages = [dict(each) for each in model["messages"]]
        match self.kind:
            case "prompt":
                ours = next(i for i, each in enumerate(messages) if each["role"] == "system")
                messages[ours]["content"] = self.text
            case "guardrail":
                messages.insert(0, {"role": "system", "content": self.text})
            case "first_message":
                return {"firstMessage": self.text}
            case "voice":
                return {"voicemailMessage": self.text}
            case _:
                model["tools"] = [{"type": "function", "function": {"name": self.text}}]
        return {"model": {**model, "messages": messages}}


@dataclass
class Case:
    """One assistant, its agent, and all that was asked and answered."""

    world: World
    meddler: Meddler
    chance: random.Random
    agent: str
    assistant: str = field(default_factory=lambda: str(uuid4()))
    overwrites: bool = False
    noticed: bool = False  # by the error of a job
    codes: list[str] = field(default_factory=list)

    @property
    def store(self) -> Any:
        return self.world.vapi_app.state.stand_in.assistants

    @property
    def there(self) -> dict[str, Any]:
        return self.store.get(self.assistant)

    async def begins(self) -> None:
        """Two versions here; at Vapi what somebody wrote, or the first one already."""
        counts = self.chance.random() < 0.8
        made = an_assistant(self.assistant, name=self.agent)
        self.store.by_id[self.assistant] = {**made, "latestVersion": "v1" if counts else None}
        greeting = self.chance.choice([{}, {"first_message": "Hi."}])
        async with self.world.resources.unit_of_work() as uow:
            linked = {"vapi_assistant_id": self.assistant, "type": AgentType.PHONE_BOT}
            agent = await an_agent(uow, self.agent, **linked)  # type: ignore[arg-type]
            for number in (1, 2, 3):
                spec: dict[str, Any] = {**greeting, "prompt": f"Ours {number}."}
                if greeting and number > 1:
                    spec["first_message"] = f"Hi {number}."
                await a_version(
                    uow, agent, prompt=spec["prompt"], playbook=a_playbook(self.agent, **spec),
                    content_hash=f"{number}{self.agent}".ljust(64, "0"),
                )  # fmt: skip

    async def asks(self, what: str, **body: Any) -> None:
        """Ask, and do the work; a worker that dies is followed by another."""
        path = f"/api/optimize/{self.agent}/{what}"
        try:
            answer = await self.world.http.post(path, json=body)
        except KilledError:  # the API died before it had stored anything: asked again
            answer = await self.world.http.post(path, json=body)
        if answer.status_code != 202:
            self.codes.append(answer.json()["code"])
            return
        job = answer.json()
        for _ in range(2):
            work = WORK[JobKind(job["kind"])](UUID(job["id"]))
            try:
                await run_job(self.world.resources, UUID(job["id"]), work)
            except KilledError:
                for task in asyncio.all_tasks():
                    if "_watch" in repr(task.get_coro()):  # the dead renew no lease
                        task.cancel()
                await self._lease_ends(UUID(job["id"]))
        ended = (await self.world.http.get(f"/api/jobs/{job['id']}")).json()
        assert ended["status"] in ("completed", "failed"), ended
        if ended["error"] is not None:
            self.noticed |= UNSEEN in ended["error"]["detail"]
            self.codes.append(ended["error"]["code"])

    async def _lease_ends(self, job_id: UUID) -> None:
        async with self.world.resources.unit_of_work() as uow:
            (await uow.jobs.get(job_id)).lease_expires_at = utc_now() - timedelta(hours=1)

    async def deployments(self) -> list[dict[str, Any]]:
        page = await self.world.http.get("/api/deployments", params={"agent_id": self.agent})
        return page.json()["items"]

    async def is_accounted_for(self, edit: Edit, *, gap: bool) -> str:
        """What became of it; empty where it is lost."""
        if edit.text in str(self.there):
            return "still there"
        deployments = await self.deployments()
        recorded: list[dict[str, Any]] = []
        for one in deployments:
            recorded += [*(one["overwritten"] or []), *(one["rollback_overwritten"] or [])]
        replaced = [each["live"] for each in recorded]
        if edit.text in replaced and self.overwrites:
            assert all(one["requested_by"] for one in deployments)
            return "overwritten on a recorded word"
        versions = await self.world.http.get(f"/api/agents/{self.agent}/versions")
        for number in range(4, len(versions.json()["items"]) + 1):
            version = await self.world.http.get(f"/api/agents/{self.agent}/versions/{number}")
            if edit.text in (version.json()["prompt"], version.json()["first_message"]):
                return "taken over"
        if gap and self.there["latestVersion"] is None:
            return "unseen, where Vapi counts no versions"
        warned = [text for one in deployments for text in one["warnings"]]
        if gap and (self.noticed or any(UNSEEN in text for text in warned)):
            return "unseen, and noticed by the count of versions"
        return ""


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)


@pytest.fixture
def meddler() -> Meddler:
    return Meddler()


@pytest.fixture
async def world(resources: Resources, meddler: Meddler) -> AsyncIterator[World]:
    async with vapi_world(resources, through=meddler.through) as world:
        yield world


KINDS = ["prompt", "prompt", "prompt", "guardrail", "first_message", "voice", "tools"]
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("deploy", {"version": 2, "force": True}),
    ("deploy", {"version": 2, "force": True, "overwrite": True}),
    ("rollback", {}),
    ("rollback", {"overwrite": True}),
    ("take-over", {}),
]


async def tried(world: World, meddler: Meddler, seed: int) -> list[str]:
    """What became of each edit, once all was asked twice."""
    chance = random.Random(seed)
    case = Case(world, meddler, chance, f"agent_{seed}")
    await case.begins()
    meddler.begin({}, None)
    is_new = chance.random() < 0.2
    if not is_new:
        await case.asks("deploy", version=1, force=True)
    what, body = chance.choice(ASKED)
    case.overwrites = bool(body.get("overwrite"))
    edits = [Edit(n, chance.choice(KINDS)) for n in range(chance.choice([1, 1, 2]))]
    moments = [chance.choice([0, 0, 0, *range(1, MOMENTS)])]  # often before anything was asked
    moments += [chance.randrange(moments[0] + 1, MOMENTS + 1) for _ in edits[1:]]
    replaced: set[int] = set()

    def happening(edit: Edit) -> Callable[[], None]:
        def happen() -> None:
            before = str(case.there)
            case.store.update(case.assistant, edit.on(case.there))
            # A later edit of theirs may replace an earlier one of theirs.
            replaced.update(
                one.number
                for one in edits
                if one.text in before and one.text not in str(case.there)
            )

        return happen

    dies_at = chance.choice([None, chance.randrange(1, MOMENTS)])
    plan = {moment: happening(edit) for moment, edit in zip(moments, edits, strict=True)}
    meddler.begin(plan, dies_at)
    await case.asks(what, **body)
    gaps, case_gap = set(meddler.in_the_gap), dict(zip(moments, edits, strict=True))
    meddler.rest()
    told = [
        await case.is_accounted_for(edit, gap=moment in gaps)
        or ("kept by the first deployment" if is_new and moment == 0 else "")
        for moment, edit in case_gap.items()
        if edit.number not in replaced
    ]
    detail = (seed, what, body, moments, [edit.kind for edit in edits], dies_at, case.codes)
    assert all(told), f"{detail} {meddler.log} {await case.deployments()}"

    # And when the next one asks, who knows nothing of all that.
    meddler.begin({}, None)
    there = [edit for edit in edits if edit.text in str(case.there)]
    await case.asks("deploy", version=3, force=True)
    if is_new:  # nothing was known of it; what the first deployment replaced comes back
        there += [
            edit for edit in edits if moments[edit.number] == 0 and edit.number not in replaced
        ]
        asked = len(case.codes)
        while len(case.codes) == asked:
            await case.asks("rollback")
    for edit in there:
        kept = await case.is_accounted_for(edit, gap=False)
        assert kept in ("still there", "taken over"), f"{detail} lost {edit} in the end"
    assert set(case.codes) <= NAMED, detail
    return told


@pytest.mark.timeout(600)
async def test_on_sqlite(world: World, meddler: Meddler) -> None:
    became: Counter[str] = Counter()
    for seed in range(500):
        became.update(await tried(world, meddler, seed))
    # Each way was gone; what nobody could see is only what came between our reading and writing.
    assert became["still there"] > 300
    assert became["overwritten on a recorded word"] > 10
    assert became["unseen, and noticed by the count of versions"] > 10
    assert became["unseen, where Vapi counts no versions"] < 30


class TestOnPostgres:
    @pytest.fixture
    def sqlite_url(self, postgres_url: str) -> str:
        """The database of the settings is another one here."""
        return postgres_url

    async def test_some(self, world: World, meddler: Meddler) -> None:
        for seed in range(500, 540):
            await tried(world, meddler, seed)
