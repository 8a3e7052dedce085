"""Other people in the organization, who change things while you look."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from mission_control_sandbox.close.changes import Changes
from mission_control_sandbox.close.errors import RefusalError
from mission_control_sandbox.close.events import Author
from mission_control_sandbox.close.organization import FIELDS_BY_KEY, STATUS_LABELS, USERS
from mission_control_sandbox.close.records import Record, timestamp
from mission_control_sandbox.close.store import Store
from mission_control_sandbox.world import conversations


@dataclass
class RandomChanges:
    """Random changes, the same ones for the same seed on the same store."""

    changes: Changes
    random: Random = field(default_factory=lambda: Random(0))  # noqa: S311  # believable, not secret

    @property
    def store(self) -> Store:
        return self.changes.store

    def change(
        self, *, leads: int = 0, contacts: int = 0, calls: int = 0, delete: int = 0, merge: int = 0
    ) -> dict[str, Any]:
        """Make so many changes of each kind, and say what they were about."""
        return {
            "updated": [self.edit_lead() for _ in range(leads)],
            "contacts": [self.edit_contact() for _ in range(contacts)],
            "calls": [self.call() for _ in range(calls)],
            "deleted": [self.delete() for _ in range(delete)],
            "merged": [self.merge() for _ in range(merge)],
        }

    def edit_lead(self) -> str:
        lead = self._any_lead()
        status = self.random.choice([one for one in STATUS_LABELS if one != lead["status_id"]])
        outcome = FIELDS_BY_KEY["last_outcome"]
        products = FIELDS_BY_KEY["products"]
        body = self.random.choice(
            (
                {"status_id": status},
                {f"custom.{outcome.id}": self.random.choice(outcome.choices), "status_id": status},
                {
                    f"custom.{products.id}.add": self.random.choice(products.choices),
                    f"custom.{FIELDS_BY_KEY['trucks'].id}": 1 + self.random.randrange(50),
                },
            )
        )
        self.changes.update_lead(lead["id"], body, self._somebody("PUT", f"lead/{lead['id']}/"))
        return lead["id"]

    def edit_contact(self) -> str:
        contact = self.random.choice(self._any_lead()["contacts"])
        body = {"title": self.random.choice(("Owner", "Owner operator", "President", "Manager"))}
        author = self._somebody("PUT", f"contact/{contact['id']}/")
        self.changes.update_contact(contact["id"], body, author)
        return contact["id"]

    def call(self) -> str:
        """A call that somebody just made in Close, with the words of an earlier one with the same lead."""
        index = self.random.choice(conversations.close_indices(self.store.world.people))
        said = self.store.world.conversation(index)
        lead = self.store.leads.current(said.person_index)
        if lead is None:
            return self.call()
        ended = self.store.now()
        body = {
            "lead_id": lead["id"],
            "direction": said.direction,
            "duration": said.seconds,
            "phone": next((one["phone"] for c in lead["contacts"] for one in c["phones"]), None),
            "date_created": timestamp(ended - timedelta(seconds=said.seconds)),
            "disposition": "answered" if said.turns else "no-answer",
            "status": "completed" if said.turns else "no-answer",
        }
        author = self._somebody("POST", "activity/call/")
        return self.changes.log_call(body, author, world_call=index)["id"]

    def delete(self) -> str:
        lead = self._any_lead()
        self.changes.delete_lead(lead["id"], self._somebody("DELETE", f"lead/{lead['id']}/"))
        return lead["id"]

    def merge(self) -> dict[str, str]:
        source = self._any_lead()["id"]
        destination = self._any_lead(but=source)["id"]
        self.changes.merge_leads(source, destination, self._somebody("POST", "lead/merge/"))
        return {"source": source, "destination": destination}

    def _any_lead(self, *, but: str | None = None) -> Record:
        for _ in range(1000):
            number = self.random.randrange(self.store.world.people)
            lead = self.store.leads.current(number)
            if lead is not None and lead["id"] != but and lead["contacts"]:
                return lead
        raise RefusalError(400, {"errors": ["There are hardly any leads left to change."]})

    def _somebody(self, method: str, path: str) -> Author:
        user = self.random.choice(USERS)
        meta = {"request_method": method, "request_path": f"/api/v1/{path}"}
        return Author(user.id, None, meta=meta)


@dataclass
class Live:
    """Keeps changes coming, one every so many seconds: calls, and now and then an edit."""

    changes: RandomChanges
    flush: Callable[[], None]
    _task: asyncio.Task[None] | None = None

    def start(self, every: float) -> None:
        self.stop()
        if every > 0:
            self._task = asyncio.get_running_loop().create_task(self._run(every))

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._task = None

    async def _run(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            step = self.changes.random.choice(
                (self.changes.call, self.changes.call, self.changes.edit_lead)
            )
            step()
            self.flush()
