"""What the API answers, as tables and texts for a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mission_control.api.agents.schemas import AgentDetail, AgentPage, Answering, VersionPage
from mission_control.api.deployments.schemas import DeploymentRead
from mission_control.api.evaluate.schemas import EvaluationDetail, ScenarioResultRead
from mission_control.api.jobs.schemas import JobPage, JobRead
from mission_control.api.optimize.schemas import OptimizationDetail
from mission_control.api.test_split.schemas import SplitRead
from mission_control.cli.formats import (
    NOT_MEASURED,
    STATE_STYLES,
    count,
    milliseconds,
    moment,
    money,
    number_or_none,
    plain,
    points,
    rate,
    score,
)
from mission_control.core.counting import counted
from mission_control.core.words import JobStatus, ScenarioStatus

MOST_FAILURES = 20


def table(*columns: str) -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def facts(pairs: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and values below each other."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        made.add_row(name, value if isinstance(value, Text) else Text(value))
    return made


def state(word: str) -> Text:
    return Text(plain(word), STATE_STYLES.get(word, ""))


def diff(text: str) -> Text:
    """A unified diff in its usual colours."""
    shown = Text()
    for line in text.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        shown.append(f"{line}\n", "bold" if line.startswith(("+++", "---")) else style)
    shown.rstrip()
    return shown


# ------------------------------------------------------------------ agents


def agents(page: AgentPage) -> RenderableType:
    if not page.items:
        return Text("No agents. Import one: mission-control agents import FILE")
    made = table("agent", "name", "type", "status", "version", "answers", "changed")
    for agent in page.items:
        made.add_row(
            agent.id, Text(agent.name), plain(agent.type), state(agent.status),
            str(agent.current_version), _answers(agent.answering),
            moment(agent.updated_at),
        )  # fmt: skip
    return made


def _answers(found: Answering) -> str:
    return plain(found.state) if found.version is None else f"version {found.version}"


def agent(detail: AgentDetail) -> list[RenderableType]:
    splits = [scenario.split for scenario in detail.scenarios]
    by_split = ", ".join(
        f"{splits.count(split)} {split}" for split in ("train", "validation", "test")
    )
    shown = facts([
        ("agent", detail.id),
        ("name", detail.name),
        ("about", detail.description or NOT_MEASURED),
        ("type", plain(detail.type)),
        ("status", state(detail.status)),
        ("version", str(detail.current_version)),
        ("at Vapi", detail.vapi_assistant_id or NOT_MEASURED),
        ("answers", Text(detail.answering.line)),
        ("measured", Text(detail.answering.measured or NOT_MEASURED)),
        *(
            ("stays at Vapi", Text(f"{left.what}: {', '.join(left.items)}"))
            for left in detail.left_at_vapi or []
        ),
        ("scenarios", f"{len(splits)} ({by_split})"),
        *(("warning", Text(warning, "yellow")) for warning in detail.warnings),
    ])  # fmt: skip
    return [shown, Text("\nprompt", "dim"), Text(detail.prompt)]


def versions(page: VersionPage) -> RenderableType:
    made = table("version", "origin", "from", "made", "content", "note")
    for version in page.items:
        made.add_row(
            str(version.number), version.origin, number_or_none(version.parent),
            moment(version.created_at), version.content_hash[:12], Text(version.note),
        )  # fmt: skip
    return made


# ------------------------------------------------------------------ jobs


def jobs(page: JobPage) -> RenderableType:
    if not page.items:
        return Text("No jobs.")
    made = table("job", "kind", "agent", "status", "asked", "ended")
    for job in page.items:
        made.add_row(
            str(job.id), job.kind, job.agent_id or NOT_MEASURED, _status(job),
            moment(job.created_at), moment(job.finished_at),
        )  # fmt: skip
    return made


def _status(job: JobRead) -> Text:
    """A job that waits also says at which place."""
    place = f" {job.waiting.place}." if job.waiting else ""
    return Text.assemble(state(job.status), place)


def job(found: JobRead) -> RenderableType:
    return facts([
        ("job", str(found.id)),
        ("kind", found.kind),
        ("agent", found.agent_id or NOT_MEASURED),
        ("status", state(found.status)),
        *([("waits", found.waiting.detail)] if found.waiting else []),
        ("progress", _progress(found.progress)),
        ("asked", moment(found.created_at)),
        ("started", moment(found.started_at)),
        ("ended", moment(found.finished_at)),
        *([("error", Text(found.error.detail, "red"))] if found.error else []),
    ])  # fmt: skip


def _progress(progress: dict[str, Any]) -> str:
    parts = [
        f"{plain(name)} {score(value) if isinstance(value, float) else value}"
        for name, value in progress.items()
        if value is not None
    ]
    return ", ".join(parts) or NOT_MEASURED


# ------------------------------------------------------------------ evaluations


def evaluation(detail: EvaluationDetail) -> RenderableType:
    shown = facts([
        ("evaluation", f"{detail.agent_id} version {detail.version}, {plain(detail.purpose)}"),
        ("status", state(detail.status)),
        ("model", detail.model),
        ("pass rate", Text.assemble((rate(detail.pass_rate), "bold"), f"  {_counts(detail)}")),
        ("mean score", f"{score(detail.mean_score)}  (SuperOptiX's own, lexical: {score(detail.superoptix_score)})"),
        ("latency", f"median {milliseconds(detail.latency_p50_ms)}, 95 % within {milliseconds(detail.latency_p95_ms)}"),
        ("tokens", f"{count(detail.input_tokens)} in, {count(detail.output_tokens)} out"),
        ("cost", money(detail.cost_usd, is_final=detail.status is JobStatus.COMPLETED)),
    ])  # fmt: skip
    failures = [each for each in detail.results if each.status is not ScenarioStatus.PASSED]
    return Group(shown, Text(), _failures(failures)) if failures else shown


def _counts(detail: EvaluationDetail) -> str:
    repeated = f" × {detail.repetitions}" if detail.repetitions > 1 else ""
    return (
        f"{detail.passed} passed, {detail.failed} failed, {detail.errors} not measured "
        f"({counted(detail.scenarios, 'scenario')}{repeated})"
    )


def _failures(failures: Sequence[ScenarioResultRead]) -> RenderableType:
    made = table("not passed", "status", "why")
    for result in failures[:MOST_FAILURES]:
        made.add_row(Text(result.scenario_id), state(result.status), Text(_reason(result)))
    if len(failures) > MOST_FAILURES:
        made.add_row(f"and {len(failures) - MOST_FAILURES} more", "", Text("--json lists them all"))
    return made


def _reason(result: ScenarioResultRead) -> str:
    if result.status is ScenarioStatus.ERROR:
        return result.error_detail or result.error_kind or NOT_MEASURED
    reasons = [str(check["reason"]) for check in result.checks if check.get("reason")]
    return " ".join(reasons) or NOT_MEASURED


# ------------------------------------------------------------------ optimizations


def comparison(found: OptimizationDetail) -> list[RenderableType]:
    """The verdict with all that it rests on, and what changed in the prompt."""
    numbers = found.comparison or {}
    versions = f"version {found.base_version} → {_candidate(found)}"
    shown = facts([
        ("agent", f"{found.agent_id}: {versions}, by {found.optimizer}"),
        ("verdict", state(found.verdict or found.status)),
        ("pass rate", Text(_rates(numbers), "bold")),
        ("difference", _difference(numbers)),
        ("fixed", _names(numbers.get("fixed"))),
        ("broken", _names(numbers.get("broken"))),
        *([("anchors broken", Text(_names(numbers["anchors_broken"]), "bold red"))] if numbers.get("anchors_broken") else []),
        *([("not measured", _names(numbers["unmeasured"]))] if numbers.get("unmeasured") else []),
        *([("left out, leaked", _names(numbers["leaked"]))] if numbers.get("leaked") else []),
        *([("test split", _reading(numbers))] if numbers.get("reading") else []),
        ("search", _search(found)),
        ("cost", money(found.cost_usd, is_final=found.status is JobStatus.COMPLETED)),
    ])  # fmt: skip
    sentence = Text(f"\n{numbers['sentence']}\n") if numbers else Text()
    return [shown, sentence, *_changes(found)]


def _changes(found: OptimizationDetail) -> list[Text]:
    if found.candidate_version is None:
        return []
    if found.diff:
        return [diff(found.diff)]
    shown = f"`mission-control agents diff --playbook {found.agent_id}"
    versions = f"{found.base_version} {found.candidate_version}`"
    return [
        Text(f"The prompt is unchanged; the examples with it are not: {shown} {versions}.", "dim")
    ]


def _candidate(found: OptimizationDetail) -> str:
    return f"{found.candidate_version}" if found.candidate_version else "no candidate"


def _rates(numbers: dict[str, Any]) -> str:
    if numbers.get("baseline_rate") is None:
        return NOT_MEASURED
    return (
        f"{rate(numbers.get('baseline_rate'))} → {rate(numbers.get('candidate_rate'))}"
        f"  on {numbers.get('scenarios', 0)} test scenarios"
    )


def _difference(numbers: dict[str, Any]) -> str:
    low, high, chance = (numbers.get(k) for k in ("interval_low", "interval_high", "p_value"))
    if low is None or high is None or chance is None:
        return points(numbers.get("difference"))
    return (
        f"{points(numbers.get('difference'))}, 95 % interval {points(low)} to {points(high)}, "
        f"p = {chance:.4f}"
    )


def _reading(numbers: dict[str, Any]) -> str:
    return f"reading {numbers['reading']} of it, which needs p < {numbers['level']:.2g}"


def test_split(found: SplitRead) -> RenderableType:
    never_read = f"{len(found.never_read)} of {found.questions} questions"
    return facts([
        ("agent", f"{found.agent_id}, version {found.version}"),
        ("readings", str(found.readings)),
        ("the next", f"reading {found.next_reading}, which needs p < {found.next_level:.2g}"),
        ("never read", f"{never_read}: {_names(found.never_read)}"),
        ("evaluated since", f"{found.uncounted_evaluations} times; an edit makes one reading of it"),
        *([("leaked", Text(_names(found.leaked), "bold red"))] if found.leaked else []),
        *(("copies", _names(group)) for group in found.copies),
    ])  # fmt: skip


def _names(names: Sequence[str] | None) -> str:
    return ", ".join(names) if names else NOT_MEASURED


def _search(found: OptimizationDetail) -> str:
    return (
        f"{counted(len(found.trials), 'trial')}, {counted(found.metric_calls, 'scored answer')}, validation "
        f"{score(found.baseline_validation_score)} → {score(found.best_validation_score)}"
        f"{f', ended: {plain(found.stop_reason)}' if found.stop_reason else ''}"
    )


# ------------------------------------------------------------------ deployments


def deployment(found: DeploymentRead) -> RenderableType:
    return facts([
        ("deployment", f"{found.agent_id} version {found.version}"),
        ("status", state(found.status)),
        ("target", f"{found.target} {found.target_id or ''}".strip()),
        ("before", f"version {number_or_none(found.previous_version)}"),
        ("changed", ", ".join(found.changed) or NOT_MEASURED),
        *([("error", Text(found.error.detail, "red"))] if found.error else []),
    ])  # fmt: skip
