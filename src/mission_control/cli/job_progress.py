"""Follows a job to its end: quietly, with a live display, or line by line where there is no terminal."""

import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Any, Literal, Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mission_control.api.jobs.schemas import JobRead
from mission_control.cli import tables
from mission_control.cli.formats import NOT_MEASURED, money, plain, score, seconds
from mission_control.cli.session import Screen, Session
from mission_control.core.counting import counted
from mission_control.core.words import JobStatus

ENDINGS = frozenset(status.value for status in JobStatus if status.is_over)
LOOKS = frozenset({"snapshot", "heartbeat"})  # occasions to look at the job itself
MOST_TRIALS = 12
BAR_WIDTH = 40

Message = dict[str, Any]


class View(Protocol):
    """What is known of a running job, and how it is shown."""

    def take(self, message: Message) -> str | None:
        """Learn from a message; the line to say about it where there is no live display."""
        ...

    def render(self) -> RenderableType: ...


def follow(session: Session, job: JobRead, *, watch: bool, quiet: bool = False) -> JobRead:
    """Wait for the end of a job. Ctrl-C leaves it running, and the session says how to cancel it.

    `quiet` says nothing on the way, except on a terminal, where a spinner turns.
    """
    session.left_behind = job.id
    if watch:
        ended = _watch(session, job)
    else:
        with _waiting(session.screen, job, quiet=quiet) as say_how_it_waits:
            ended = session.client.wait_for_job(job.id, on_progress=say_how_it_waits)
    session.left_behind = None
    return ended


@contextmanager
def _waiting(screen: Screen, job: JobRead, *, quiet: bool) -> Generator[Callable[[JobRead], None]]:
    heading = f"{job.kind} {job.agent_id}: job {job.id}"
    if screen.err.is_terminal:
        with screen.err.status(Text(heading)) as status:
            yield lambda now: status.update(Text(f"{heading}. {how_it_waits(now)}".rstrip(". ")))
        return
    if not quiet:
        screen.note(heading)
    yield _say_once(lambda line: None if quiet else screen.note(line, ""))


def how_it_waits(job: JobRead) -> str:
    """Its place in the queue and what it waits for; empty for what starts at once, or does not wait."""
    if job.waiting is None or job.waiting.waits_for == "start":
        return ""
    return job.waiting.detail


def _say_once(say: Callable[[str], None]) -> Callable[[JobRead], None]:
    """Says how a job waits, each time that changes."""
    last = ""

    def look(job: JobRead) -> None:
        nonlocal last
        if (now := how_it_waits(job)) and now != last:
            say(now)
        last = now

    return look


def _watch(session: Session, job: JobRead) -> JobRead:
    kind: Literal["optimize", "evaluate"] = "optimize" if job.kind == "optimize" else "evaluate"
    view: View = OptimizationView(job) if kind == "optimize" else EvaluationView(job)
    stream = session.client.watch(kind, job.agent_id or "")
    say_how_it_waits = _say_once(lambda line: session.screen.note(line, ""))
    with closing(stream), _display(session.screen, view) as show:
        for message in stream:
            show(message)
            if message["type"] in LOOKS:
                now = session.client.jobs.get(job.id)
                say_how_it_waits(now)
                if now.status.is_over:
                    break
            elif _ends(message, job):
                break
    return session.client.wait_for_job(job.id)


def _ends(message: Message, job: JobRead) -> bool:
    what = str(message["type"]).rpartition(".")[2]
    return what in ENDINGS and message.get("job_id") == str(job.id)


class _Show(Protocol):
    def __call__(self, message: Message, /) -> None: ...


@contextmanager
def _display(screen: Screen, view: View) -> Generator[_Show]:
    if not screen.err.is_terminal:

        def say(message: Message, /) -> None:
            if line := view.take(message):
                screen.note(line, "")

        yield say
        return

    def learn(message: Message, /) -> None:
        view.take(message)

    with Live(console=screen.err, get_renderable=view.render, refresh_per_second=8):
        yield learn


# ------------------------------------------------------------------ an evaluation


class EvaluationView:
    """How many scenarios are done, and how they ended."""

    def __init__(self, job: JobRead) -> None:
        self._job_id = str(job.id)
        self._agent_id = job.agent_id
        self._begun = time.monotonic()
        self._total: int | None = None
        self._done = 0
        self._ended = {"passed": 0, "failed": 0, "error": 0}
        self._tenths_shown = 0

    def take(self, message: Message) -> str | None:
        data = message.get("data", {})
        if message["type"] == "snapshot":
            self._take_state(data.get("evaluation"))
        elif message.get("job_id") != self._job_id:
            return None
        elif message["type"] == "evaluation.started":
            self._total = data["scenarios"] * data["repetitions"]
            return f"{self._agent_id}: {self._total} runs on {data['model']}"
        elif message["type"] == "evaluation.scenario_finished":
            return self._take_result(data)
        return None

    def render(self) -> RenderableType:
        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text(f"evaluate {self._agent_id}", "bold"), _bar(self._done, self._total),
            Text(f"{self._done}/{self._total or NOT_MEASURED}"), Text(self._counts()),
            Text(seconds(time.monotonic() - self._begun), "dim"),
        )  # fmt: skip
        return line

    def _take_state(self, evaluation: Message | None) -> None:
        if evaluation is None or evaluation["job_id"] != self._job_id:
            return
        self._total = evaluation["scenarios"] * evaluation["repetitions"]
        self._ended = {
            "passed": evaluation["passed"],
            "failed": evaluation["failed"],
            "error": evaluation["errors"],
        }
        self._done = sum(self._ended.values())

    def _take_result(self, data: Message) -> str | None:
        self._done, self._total = data["done"], data["total"]
        self._ended[data["status"]] += 1
        tenths = 10 * self._done // max(1, data["total"])
        if tenths <= self._tenths_shown:
            return None
        self._tenths_shown = tenths
        return f"{self._agent_id}: {self._done} of {self._total}: {self._counts()}"

    def _counts(self) -> str:
        ended = self._ended
        return f"{ended['passed']} passed, {ended['failed']} failed, {ended['error']} not measured"


# ------------------------------------------------------------------ an optimization


class OptimizationView:
    """Where the search is, every trial with its scores, the best so far and what it cost."""

    def __init__(self, job: JobRead) -> None:
        self._job_id = str(job.id)
        self._agent_id = job.agent_id
        self._begun = time.monotonic()
        self._state: Message = {"phase": "queued"}
        self._trials: dict[int, Message] = {}

    def take(self, message: Message) -> str | None:
        data = message.get("data", {})
        if message["type"] == "snapshot":
            return self._take_state(data.get("optimization"))
        is_ours = message.get("job_id") == self._job_id
        return self._take_event(message["type"], data) if is_ours else None

    def render(self) -> RenderableType:
        state = self._state
        calls, budget = state.get("metric_calls") or 0, state.get("metric_calls_budget")
        line = Table.grid(padding=(0, 1))
        line.add_row(
            Text(f"optimize {self._agent_id}", "bold"), _bar(calls, budget),
            Text(f"{calls}/{budget or NOT_MEASURED} scored answers"),
            Text(plain(str(state["phase"])), "cyan"),
            Text(f"best {score(state.get('best_validation_score'))}", "bold"),
            Text(f"cost {_cost(state)}"),
            Text(seconds(time.monotonic() - self._begun), "dim"),
        )  # fmt: skip
        return Group(line, self._trial_table()) if self._trials else line

    def _take_state(self, optimization: Message | None) -> str | None:
        if optimization is None or optimization["job_id"] != self._job_id:
            return None
        self._state = {**self._state, **optimization}
        self._trials = {trial["number"]: trial for trial in optimization["trials"]}
        return f"{self._agent_id}: {plain(optimization['phase'])}, {counted(len(self._trials), 'trial')}"

    def _take_event(self, kind: str, data: Message) -> str | None:
        match kind.partition(".")[2]:
            case "started":
                self._state["phase"] = "preparing"
                return f"{self._agent_id}: {data['optimizer']} on {data['model']}"
            case "progressed":
                return self._take_progress(data)
            case "trial_finished":
                self._trials[data["number"]] = data
                return _trial_line(data)
            case "log":
                return f"{data['level']}: {data['text']}"
            case _:
                return None

    def _take_progress(self, data: Message) -> str | None:
        is_new = data["phase"] != self._state["phase"]
        self._state = {**self._state, **data}
        if not is_new:
            return None
        best = score(data["best_validation_score"])
        return f"{self._agent_id}: {plain(data['phase'])}, best {best}, cost {_cost(data)}"

    def _trial_table(self) -> Table:
        made = tables.table("trial", "from", "sample", "validation", "")
        trials = [self._trials[number] for number in sorted(self._trials)]
        best = max(trials, key=lambda trial: trial["validation_score"] or 0.0)
        shown = trials[-MOST_TRIALS:]
        for trial in shown if best in shown else [best, *shown[1:]]:
            made.add_row(
                str(trial["number"]), _parent(trial), score(trial["sample_score"]),
                score(trial["validation_score"]), _fate(trial),
                style="bold green" if trial is best else "" if trial["accepted"] else "dim",
            )  # fmt: skip
        return made


def _trial_line(trial: Message) -> str:
    return (
        f"trial {trial['number']} (from {_parent(trial)}): sample {score(trial['sample_score'])}, "
        f"validation {score(trial['validation_score'])}, {_fate(trial)}"
    )


def _fate(trial: Message) -> str:
    if trial["number"] == 0:
        return "where it starts"
    return "accepted" if trial["accepted"] else "rejected"


def _parent(trial: Message) -> str:
    return NOT_MEASURED if trial["parent"] is None else str(trial["parent"])


def _cost(state: Message) -> str:
    return money(state.get("cost_usd"), is_final=False) if state.get("metric_calls") else "—"


def _bar(done: int, total: int | None) -> ProgressBar:
    return ProgressBar(
        total=total, completed=min(done, total or done), width=BAR_WIDTH, pulse=total is None
    )
