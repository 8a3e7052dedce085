"""Rows and playbooks for tests: sensible unless a keyword says otherwise."""

import itertools
import time
from typing import Any
from uuid import uuid4

import yaml

from mission_control.core.events import Event, EventData
from mission_control.core.words import (
    AgentType,
    EvaluationPurpose,
    JobKind,
    VersionOrigin,
)
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.evaluations import Evaluation
from mission_control.data.event_streams import WaitingEvent
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork


class Happened(EventData):
    type = "test.happened"
    number: int | None = None
    text: str | None = None


_event_ids = itertools.count(time.time_ns() // 1000)


def a_waiting_event(channel: str = "test", **data: Any) -> WaitingEvent:
    """An event as the relay finds it in the outbox; each has a greater id than the one before."""
    body = Event(channel=channel, data=Happened(**data)).model_dump_json()
    return WaitingEvent(id=next(_event_ids), channel=channel, body=body)


# The same topics in every split, asked in other words: the same words would be a leak.
ASKED_IN = {
    "train": "What about the {topic}?",
    "validation": "The {topic}, please?",
    "test": "And how is it with the {topic}?",
}


def a_scenario(name: str = "price", *, topic: str | None = None, **changes: Any) -> dict[str, Any]:
    """A case about `topic`, which has one right answer wherever it is asked."""
    topic = topic or name
    asked = ASKED_IN[changes.get("split", "train")].format(topic=topic)
    return {
        "name": name,
        "input": {"caller_says": asked},
        "expected_output": {"reply": f"Here is what we say about the {topic}"},
        "checks": [{"contains": [f"about the {topic}"]}],
        **changes,
    }


def a_playbook(
    agent_id: str = "ada", *, scenarios: list[dict[str, Any]] | None = None, **spec: Any
) -> str:
    """YAML of a phone bot with three scenarios in each split."""
    declared = scenarios
    if declared is None:
        declared = [
            a_scenario(f"{topic}_{split}", topic=topic, split=split)
            for split in ("train", "validation", "test")
            for topic in ("price", "refund", "claim")
        ]
    return yaml.safe_dump(
        {
            "apiVersion": "agent/v1",
            "kind": "AgentSpec",
            "metadata": {"name": agent_id.upper(), "id": agent_id, "version": "1.0.0"},
            "spec": {
                "language_model": {"provider": "openai", "model": "gpt-4o-mini"},
                "prompt": "You answer the phone. Be brief.",
                "input_fields": [{"name": "caller_says", "type": "str"}],
                "output_fields": [{"name": "reply", "type": "str"}],
                "tasks": [{"name": "answer", "instruction": "Answer the caller."}],
                "dspy": {"module": "predict"},
                "feature_specifications": {"scenarios": declared},
                **spec,
            },
        },
        sort_keys=False,
    )


async def an_agent(uow: UnitOfWork, agent_id: str = "ada", **changes: Any) -> Agent:
    columns = {"name": agent_id.upper(), "type": AgentType.STANDALONE, "description": "", **changes}
    agent = Agent(id=agent_id, **columns)
    uow.agents.add(agent)
    await uow.flush()
    return agent


async def a_version(uow: UnitOfWork, agent: Agent, **changes: Any) -> AgentVersion:
    columns: dict[str, Any] = {
        "number": await uow.agents.next_number(agent.id),
        "content_hash": "0" * 64,
        "playbook": a_playbook(agent.id),
        "prompt": "You answer the phone. Be brief.",
        "origin": VersionOrigin.IMPORT,
        **changes,
    }
    version = AgentVersion(id=uuid4(), agent_id=agent.id, **columns)
    uow.agents.add_version(version)
    await uow.flush()
    return version


async def a_job(uow: UnitOfWork, agent: Agent | None = None, **changes: Any) -> Job:
    columns: dict[str, Any] = {"kind": JobKind.EVALUATE, **changes}
    job = Job(id=uuid4(), agent_id=agent.id if agent else None, **columns)
    uow.jobs.add(job)
    await uow.flush()
    return job


async def an_evaluation(
    uow: UnitOfWork, version: AgentVersion, job: Job, **changes: Any
) -> Evaluation:
    columns: dict[str, Any] = {
        "purpose": EvaluationPurpose.CHECK,
        "model": "openai/sandbox-1",
        "scenario_ids": ["price"],
        "repetitions": 1,
        **changes,
    }
    evaluation = Evaluation(
        id=uuid4(), agent_id=version.agent_id, version_id=version.id, job_id=job.id, **columns
    )
    uow.evaluations.add(evaluation)
    await uow.flush()
    return evaluation
