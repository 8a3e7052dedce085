"""The whole stand-in without HTTP: every part of it, and what of it outlives the process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from mission_control_sandbox.close.changes import Changes
from mission_control_sandbox.close.journal import Journal, Line
from mission_control_sandbox.close.limits import Limit, RateLimits
from mission_control_sandbox.close.random_changes import Live, RandomChanges
from mission_control_sandbox.close.store import Store
from mission_control_sandbox.close.webhooks import Webhooks
from mission_control_sandbox.server import Observed

LARGEST_JOURNAL = 32_000_000


@dataclass
class StandIn(Observed):
    """Everything behind the routes. `api_key` None takes any key."""

    make_store: Callable[[Callable[[], Sequence[Line]]], Store]
    journal: Journal
    webhooks: Webhooks
    limits: RateLimits
    api_key: str | None = None
    store: Store = field(init=False)
    changes: Changes = field(init=False)
    live: Live = field(init=False)
    declared: Limit | None = field(init=False)

    def __post_init__(self) -> None:
        self.declared = self.limits.limit
        self.webhooks.restore(self.journal.read())
        self._open()

    def _open(self) -> None:
        self.store = self.make_store(self.webhooks.lines)
        self.store.events.listeners.append(self.webhooks.tell)
        self.changes = Changes(self.store)
        self.live = Live(RandomChanges(self.changes, Random()), self.save)  # noqa: S311  # no secret

    def save(self) -> None:
        """Put on disk what has changed."""
        self.journal.flush()
        if self.journal.grown > LARGEST_JOURNAL:
            self.journal.rewrite(self.store.lines())

    def reset(self) -> None:
        """Back to the start: nothing changed, nobody subscribed, nothing planned."""
        self.live.stop()
        self.forget_requests()
        self.webhooks.subscriptions.clear()
        self.limits.limit = self.declared
        self.journal.rewrite([self.store.header()])
        self._open()
