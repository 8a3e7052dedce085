"""Does one deployment (or rollback) over and over, killed with SIGKILL at another await each time.

Reads what to do as JSON from stdin and writes one JSON line per moment: what was there right after
the kill, and after a second worker had taken the job up. That worker knows nothing but the database
and Vapi, so it is started once for each state that these were left in. A process of its own, so that
its children are forked from one thread, with everything imported and nothing open.
"""

import asyncio
import gc
import json
import logging
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import structlog

from mission_control.api.deployments import standing
from mission_control.api.deployments.work import DeployWork, RollbackWork
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.jobs.work import run_job
from mission_control.api.resources import build_resources
from mission_control.core.settings import Settings
from mission_control.data.event_streams import EventStreams, open_redis
from mission_control.integrations.vapi.prompt_slots import live_first_message, live_prompt
from mission_control.integrations.vapi_client import open_vapi

WORK = {"deploy": DeployWork, "rollback": RollbackWork}
MOST_MOMENTS = 2_000
SEEN = ("agent", "deployed_version", "linked_to", "deployment", "target_id", "has_snapshot",
        "changed", "job", "attempts")  # fmt: skip


async def _lost(*_: str) -> None:
    """A hint that nobody gets."""


class Awaits:
    """Counts the awaits of coroutines, and ends the process at one of them."""

    def __init__(self, deadly: int | None) -> None:
        self._deadly = deadly
        self._seen = 0

    def of(self, coroutine: Coroutine[Any, Any, None]) -> "_Counted":
        return _Counted(coroutine, self)

    def another(self) -> None:
        self._seen += 1
        if self._seen == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class _Counted:
    def __init__(self, coroutine: Coroutine[Any, Any, None], awaits: Awaits) -> None:
        self._coroutine = coroutine
        self._awaits = awaits

    def __await__(self) -> Generator[Any, Any, None]:
        resume: Callable[[Any], Any] = self._coroutine.send
        given: Any = None
        while True:
            try:
                waited_for = resume(given)
            except StopIteration:
                return
            self._awaits.another()
            try:
                resume, given = self._coroutine.send, (yield waited_for)
            except BaseException as error:  # noqa: BLE001 - it is the coroutine's own to handle
                resume, given = self._coroutine.throw, error


class Experiment:
    def __init__(self, plan: dict[str, Any]) -> None:
        self._template = Path(plan["database"])
        self._database = self._template.with_name("tried.db")
        self._settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            database_url=f"sqlite+aiosqlite:///{self._database}",
            redis_url=plan["redis_url"],
            vapi_base_url=plan["vapi_url"],
            mc_data_dir=Path(plan["data_dir"]),
        )
        self._job_id = UUID(plan["job_id"])
        self._work = WORK[plan["kind"]]
        self._every = int(plan["every"])
        self._assistant: dict[str, Any] = plan["assistant"]
        headers = {"Authorization": "Bearer sandbox", "User-Agent": "test"}
        self._vapi = httpx2.Client(base_url=plan["vapi_url"], headers=headers)
        self._before: dict[str, Any] = {}
        self._there: dict[str, Any] = {}
        self._taken_up: set[str] = set()
        self._resources = build_resources(self._settings)
        standing.send_message = _lost  # a hint may be lost, and its thread does not survive a fork

    def run(self) -> None:
        self._start_over()
        asyncio.run(self._warm_up())
        gc.collect()
        gc.disable()  # what the children never touch, they need not copy
        for moment in range(1, MOST_MOMENTS, self._every):
            self._start_over()
            was_killed = self._in_a_child(moment)
            told: dict[str, Any] = {"moment": moment, "killed": self._look()}
            state = json.dumps(told["killed"])
            if state not in self._taken_up:
                self._taken_up.add(state)
                if was_killed:
                    self._in_a_child(None)
                told["after"] = self._look()
            print(json.dumps(told))
            if not was_killed:
                if told["killed"]["job"] != "completed":
                    sys.exit(f"A worker that nobody killed put the job down: {told}")
                return

    def _start_over(self) -> None:
        for suffix in ("-wal", "-shm"):
            Path(f"{self._database}{suffix}").unlink(missing_ok=True)
        shutil.copyfile(self._template, self._database)
        fields = {key: self._assistant[key] for key in ("model", "firstMessage")}
        if any(self._there.get(key) != value for key, value in fields.items()):
            self._before = self._call("PATCH", fields)

    def _in_a_child(self, deadly: int | None) -> bool:
        """True when it was killed. Anything else than that or success ends everything."""
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(self._do(Awaits(deadly)))
            except BaseException:  # noqa: BLE001 - said by the exit code
                structlog.get_logger().exception("child_failed")
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return True
        if status != 0:
            sys.exit(f"A worker ended with {status}.")
        return False

    async def _do(self, awaits: Awaits) -> None:
        counted = self._work.run  # in a task of its own

        async def run(work: Any, job: JobRun) -> None:
            await awaits.of(counted(work, job))

        self._work.run = run  # type: ignore[method-assign,assignment]
        await awaits.of(run_job(self._resources, self._job_id, self._work(self._job_id)))
        os._exit(0)  # nothing is left to do, and a worker's goodbyes are not the subject

    async def _warm_up(self) -> None:
        """Once here, so that every child finds its queries compiled; with connections of its own."""
        redis = open_redis(self._settings.redis)
        vapi = open_vapi(self._settings.vapi_url, self._settings.vapi_key)
        streams = EventStreams(redis)
        held = replace(self._resources, redis=redis, streams=streams, vapi=vapi)
        await run_job(held, self._job_id, self._work(self._job_id))
        await vapi.aclose()
        await redis.aclose()
        await self._resources.engine.dispose()

    def _look(self) -> dict[str, Any]:
        """What the database says, and what callers hear."""
        with closing(sqlite3.connect(self._database)) as database:
            one = database.execute(
                "SELECT a.status, a.deployed_version, a.vapi_assistant_id, d.status, d.target_id,"
                " d.snapshot IS NOT NULL, d.changed, j.status, j.attempts FROM agents a"
                " JOIN deployments d ON d.agent_id = a.id JOIN jobs j ON j.id = ?",
                [self._job_id.hex],
            ).fetchone()
        there = self._there = self._call("GET")
        ours = ("model", "firstMessage", "updatedAt", "latestVersion")
        return {
            **dict(zip(SEEN, one, strict=True)),
            "prompt": live_prompt(there),
            "first_message": live_first_message(there),
            "tools": there["model"].get("tools"),
            "rest_untouched": all(
                there.get(key) == self._before.get(key) for key in self._before if key not in ours
            ),
        }

    def _call(self, method: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        path = f"/assistant/{self._assistant['id']}"
        return self._vapi.request(method, path, json=body).raise_for_status().json()


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    Experiment(json.load(sys.stdin)).run()
