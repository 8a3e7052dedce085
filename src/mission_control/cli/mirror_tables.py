"""What is mirrored of Vapi and Close, for a terminal: calls, leads, and the reading itself."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mission_control.api.calls.schemas import CallDetail, CallFigures, CallPage, CallTotals
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.leads.schemas import LeadDetail, LeadFieldsRead, LeadPage
from mission_control.cli import tables
from mission_control.cli.formats import NOT_MEASURED, count, moment, money, plain, rate
from mission_control.cli.session import FAILED, Session
from mission_control.client.sync import parts
from mission_control.core.call_success import RUBRIC_WORDS, score_words
from mission_control.core.counting import all_counted
from mission_control.core.words import JobStatus

MOST_DAYS = 31
MINUTE = 60
UNTOLD = {"waiting": "waiting", "running": "asking", "skipped": "there is nothing to read"}
ANSWERS = {True: "yes", False: "no"}


def here(at: datetime | None) -> datetime | None:
    """A moment that somebody typed, on the clock of this machine."""
    return at.astimezone() if at is not None else None


def note_more(session: Session, cursor: str | None) -> None:
    if cursor:
        session.screen.note(f"There are more: --limit shows up to 200, --cursor {cursor} the next.")


# ------------------------------------------------------------------ calls


def calls(page: CallPage) -> RenderableType:
    if not page.items:
        return Text("No calls. Read them with `mission-control sync`, or take a filter away.")
    made = tables.table("call", "began", "agent", "customer", "lasted", "ended", "success", "score", "cost", "at")  # fmt: skip
    for call in page.items:
        made.add_row(
            str(call.id), moment(call.started_at or call.created_at),
            call.agent_id or NOT_MEASURED,
            Text(call.customer_name or call.customer_number or NOT_MEASURED),
            lasted(call.duration_seconds), _ending(call.ending),
            _success(call.success),
            score_words(call.success_score, call.success_rubric) or NOT_MEASURED,
            money(call.cost_usd, is_final=call.ending is not None), call.source,
        )  # fmt: skip
    return made


def call(found: CallDetail) -> list[RenderableType]:
    leads = (("lead", f"{lead.name} ({lead.id}), by {lead.matched_by}") for lead in found.leads)
    shown = tables.facts([
        ("call", f"{found.id}, at {found.source} {found.external_id}"),
        ("agent", found.agent_id or NOT_MEASURED),
        ("customer", " ".join(x for x in (found.customer_name, found.customer_number) if x) or NOT_MEASURED),
        ("began", moment(found.started_at or found.created_at)),
        ("lasted", lasted(found.duration_seconds)),
        ("ended", Text.assemble(_ending(found.ending), f"  {found.ended_reason or ''}")),
        ("success", _judged(found)),
        ("cost", _cost(found)),
        ("summary", found.summary or NOT_MEASURED),
        *leads,
        *(("kept too at", f"{each.source} {each.external_id}; it counts once") for each in found.same_calls),
        *(
            (
                each.assistant_name or each.assistant_id or "assistant",
                f"{each.assistant_version or ''} {each.agent_id or 'no agent'}, "
                f"{lasted(each.duration_seconds)}, {money(each.cost_usd)} by time",
            )
            for each in found.parts
        ),
        *(("note", note) for note in found.notes),
    ])  # fmt: skip
    return [shown, Text(), *_said(found)]


def totals(found: CallTotals) -> list[RenderableType]:
    endings = ", ".join(f"{plain(name)} {count(number)}" for name, number in found.endings.items())
    shown = tables.facts([
        ("calls", f"{count(found.calls)}, {count(found.calls - found.ended)} not ended"),
        ("success", f"{_rate(found)}; {count(found.success.unknown)} not judged"),
        *(
            (RUBRIC_WORDS[rubric], f"{score.average * 100:.0f} of 100 on average, {count(score.calls)}")
            for rubric, score in found.success.scores.items()
        ),
        ("cost", f"{_sum(found)}; {count(found.unpriced)} unpriced"),
        ("minutes", f"{found.duration_seconds / MINUTE:,.1f}"),
        ("ended", endings or NOT_MEASURED),
    ])  # fmt: skip
    by_agent = _figures("agent", [(each.agent_id or "no agent", each) for each in found.by_agent])
    by_version = _figures(
        "agent, version",
        [
            (f"{each.agent_id or 'no agent'} {each.assistant_version}", each)
            for each in found.by_version
            if each.assistant_version
        ],
    )
    by_day = _figures("day, UTC", [(f"{day.day}", day) for day in found.by_day[:MOST_DAYS]])
    older = len(found.by_day) - MOST_DAYS
    more = [Text(f"and {older} older days; --json has them all", "dim")] if older > 0 else []
    return [shown, Text(), by_agent, Text(), by_version, Text(), by_day, *more]


def lasted(seconds: float | None) -> str:
    """`4:07` is four minutes and seven seconds."""
    if seconds is None:
        return NOT_MEASURED
    minutes, rest = divmod(round(seconds), MINUTE)
    return f"{minutes}:{rest:02}"


def _figures(first: str, rows: list[tuple[str, Any]]) -> Table:
    made = tables.table(first, "calls", "success", "cost", "unpriced", "minutes")
    for name, each in rows:
        made.add_row(
            name, count(each.calls), _rate(each), _sum(each), count(each.unpriced),
            f"{each.duration_seconds / MINUTE:,.1f}",
        )  # fmt: skip
    return made


def _rate(found: CallFigures) -> str:
    judged = found.success.yes + found.success.no
    share = found.success.yes / judged if judged else None
    return f"{rate(share)} of {count(judged)}" if judged else NOT_MEASURED


def _sum(found: CallFigures) -> str:
    return money(found.cost_usd) if found.ended > found.unpriced else NOT_MEASURED


def _ending(ending: str | None) -> Text:
    return tables.state(ending) if ending else Text("not yet", "cyan")


def _success(success: bool | None) -> str:  # noqa: FBT001  # a value to be shown
    return ANSWERS[success] if success is not None else NOT_MEASURED


def _judged(found: CallDetail) -> str:
    """What the answer means, the answer itself, and what it was given to."""
    meaning = score_words(found.success_score, found.success_rubric) or _success(found.success)
    if found.success_evaluation is None:
        return meaning
    rubric = found.success_rubric
    by = RUBRIC_WORDS[rubric] if rubric is not None else "a rubric that is not known"
    return f"{meaning} (said: {found.success_evaluation}; judged by {by})"


def _cost(found: CallDetail) -> str:
    shown = ", ".join(
        f"{name} ${usd:.4f}"
        for name, usd in found.cost_breakdown.items()
        if usd and name != "total"
    )
    return money(found.cost_usd, is_final=found.ending is not None) + (
        f" ({shown})" if shown else ""
    )


def _said(found: CallDetail) -> list[RenderableType]:
    if found.content_removed_at is not None:
        removed = moment(found.content_removed_at)
        return [Text(f"What was said was deleted at its source, on {removed}.", "yellow")]
    if found.content_withheld:
        return [Text("Its source does not keep or tell what was said.", "yellow")]
    if not found.turns:
        return [Text(found.transcript or "Nothing was said.", "" if found.transcript else "dim")]
    made = Table.grid(padding=(0, 2))
    for turn in found.turns:
        late = f"{turn.latency_seconds:.1f} s" if turn.latency_seconds is not None else ""
        made.add_row(Text(lasted(turn.at_seconds), "dim"), Text(turn.assistant or turn.speaker if found.parts else turn.speaker, "bold"), Text(turn.text), Text(late, "dim"))  # fmt: skip
    return [made]


# ------------------------------------------------------------------ leads


def leads(page: LeadPage) -> RenderableType:
    if not page.items:
        return Text("No leads. Read them with `mission-control sync`, or take a filter away.")
    made = tables.table("lead", "name", "status", "phone", "mail", "changed")
    for each in page.items:
        made.add_row(
            each.id, Text(each.name), Text(each.status_label or NOT_MEASURED),
            each.primary_phone or NOT_MEASURED, Text(each.primary_email or NOT_MEASURED),
            moment(each.updated_at),
        )  # fmt: skip
    return made


def lead(found: LeadDetail) -> list[RenderableType]:
    people = (
        ("contact", " ".join(part for part in (each.name, *each.phones, *each.emails) if part))
        for each in found.contacts
    )
    custom = ((each.name or each.id, _value(each.value)) for each in found.custom_fields)
    shown = tables.facts([
        ("lead", found.id),
        ("name", found.name),
        ("status", found.status_label or NOT_MEASURED),
        ("about", found.description or NOT_MEASURED),
        ("in Close", found.close_url or NOT_MEASURED),
        ("read", moment(found.mirrored_at)),
        *people,
        *custom,
    ])  # fmt: skip
    return [shown, Text(), _calls_of(found)] if found.calls else [shown]


def fields(found: LeadFieldsRead) -> list[RenderableType]:
    made = tables.table("field", "type", "several", "choices", "id")
    for each in found.fields:
        several = "yes" if each.accepts_multiple else ""
        made.add_row(Text(each.name), each.type, several, Text(", ".join(each.choices)), each.id)
    statuses = ", ".join(each.label for each in found.statuses) or NOT_MEASURED
    return [made, Text(), Text(f"Statuses: {statuses}")]


def _calls_of(found: LeadDetail) -> Table:
    made = tables.table("call", "began", "at", "agent", "lasted", "ended", "matched by", "same call as")  # fmt: skip
    for each in found.calls:
        made.add_row(
            str(each.id), moment(each.started_at or each.created_at), each.source,
            each.agent_id or NOT_MEASURED, lasted(each.duration_seconds), _ending(each.ending),
            _match(each.matched_by, len(each.other_leads)),
            str(each.same_call_as) if each.same_call_as else "",
        )  # fmt: skip
    return made


def _match(matched_by: str, others: int) -> str:
    return f"{matched_by}, shared with {others} more" if others else matched_by


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return NOT_MEASURED if value is None else str(value)


# ------------------------------------------------------------------ reading them


def await_sync(session: Session, job: JobRead, *, watch: bool) -> None:
    """Follow a sync to its end. Ctrl-C leaves it running."""
    session.left_behind = job.id
    with _display(session, watch=watch) as show:
        ended = session.client.wait_for_job(job.id, on_progress=show)
    session.left_behind = None
    session.screen.answer(ended, _systems(ended))
    if ended.status is not JobStatus.COMPLETED:
        why = ended.error.detail if ended.error else "It was cancelled; what was read is kept."
        session.screen.note(why, "bold red")
        raise typer.Exit(FAILED)


class _Show(Protocol):
    def __call__(self, job: JobRead, /) -> None: ...


@contextmanager
def _display(session: Session, *, watch: bool) -> Generator[_Show]:
    screen = session.screen
    if not screen.err.is_terminal:
        shown: dict[str, str] = {}

        def say(job: JobRead, /) -> None:
            for name, part in parts(job).items():
                line = _reached(part) if watch else _stage(part)
                if shown.get(name) != line:
                    shown[name] = line
                    screen.note(f"{name}: {line}", "")

        yield say
        return
    with Live(console=screen.err, refresh_per_second=4, transient=True) as live:

        def draw(job: JobRead, /) -> None:
            live.update(_systems(job))

        yield draw


def _systems(job: JobRead) -> RenderableType:
    if not parts(job):
        return Text(f"sync: {job.status}", "cyan")
    made = tables.table("system", "status", "how far")
    for name, part in parts(job).items():
        made.add_row(name, tables.state(str(part["status"])), Text(_reached(part)))
    return made


def _stage(part: Mapping[str, Any]) -> str:
    return " ".join(str(each) for each in (part["status"], part.get("phase")) if each)


def _reached(part: Mapping[str, Any]) -> str:
    if part.get("error"):
        return str(part["error"]["detail"])
    if "changed" in part:
        rows: Mapping[str, int] = part["changed"]
        changed = {name: number for name, number in rows.items() if number}
        return f"{plain(all_counted(changed))} new or changed" if changed else "nothing new"
    if not part.get("phase"):
        return UNTOLD.get(str(part["status"]), "")
    total = part.get("total")
    return f"{part['phase']} {count(part.get('done', 0))}" + (
        f" of {count(total)}" if total else ""
    )
