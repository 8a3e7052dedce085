"""What a terminal shows of calls: scores apart from yes and no, parts, and what two systems keep."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID

from rich.console import Console

from mission_control.api.calls.schemas import CallDetail, CallPage, CallTotals
from mission_control.cli import mirror_tables

AT = datetime(2026, 11, 20, tzinfo=UTC)
FIGURES: dict[str, Any] = {
    "calls": 3, "ended": 3, "cost_usd": "0.30", "unpriced": 0, "duration_seconds": 90.0,
    "success": {"yes": 1, "no": 1, "unknown": 0, "scores": {"numeric": {"calls": 1, "average": 0.888889}}},
    "endings": {"customer": 3},
}  # fmt: skip
CALL: dict[str, Any] = {
    **dict.fromkeys(name for name, field in CallDetail.model_fields.items() if field.is_required()),
    "id": UUID(int=1), "source": "vapi", "external_id": "call-1", "created_at": AT, "updated_at": AT,
    "duration_seconds": 90.0, "ending": "customer", "cost_usd": "0.30", "content_withheld": False,
    "success_evaluation": "9", "success_rubric": "numeric", "success_score": 0.888889,
    "turns": [{"speaker": "agent", "text": "Hello.", "assistant": "Billing", "at_seconds": 1.0,
               "duration_seconds": None, "latency_seconds": None}],
    "analysis": {}, "structured_outputs": {}, "variables": {}, "metadata": {}, "cost_breakdown": {},
    "notes": ["Vapi says that this call lasted 9,000,000 s."], "leads": [],
    "same_calls": [{"id": UUID(int=2), "source": "close", "external_id": "acti_1",
                    "duration_seconds": 100.0, "cost_usd": None}],
    "parts": [{"assistant_id": "a1", "assistant_name": "Billing", "assistant_version": "v7",
               "agent_id": "ada", "duration_seconds": 30.0, "cost_usd": "0.10"}],
}  # fmt: skip


def shown(parts: Any) -> str:
    out = StringIO()
    console = Console(file=out, width=220)
    for each in parts if isinstance(parts, list) else [parts]:  # pyright: ignore[reportUnknownVariableType]
        console.print(each)
    return out.getvalue()


def test_totals_have_each_scale_by_itself_and_versions() -> None:
    versions = [{**FIGURES, "agent_id": "ada", "assistant_version": "v7"}]
    agents = [{**FIGURES, "agent_id": "ada"}]
    totals = CallTotals.model_validate(
        {**FIGURES, "by_agent": agents, "by_version": versions, "by_day": []}
    )
    text = shown(mirror_tables.totals(totals))
    assert "50.0 % of 2" in text
    assert "89 of 100 on average, 1" in text
    assert "ada v7" in text


def test_a_call_says_what_its_judgement_means_and_who_had_it() -> None:
    text = shown(mirror_tables.call(CallDetail.model_validate(CALL)))
    assert "89 of 100, 1 to 10 (said: 9; judged by 1 to 10)" in text
    assert "close acti_1; it counts once" in text
    assert "v7 ada, 0:30, $0.10" in text
    assert "lasted 9,000,000 s" in text
    assert "Billing" in text.splitlines()[-1]


def test_a_list_has_a_column_for_each() -> None:
    text = shown(
        mirror_tables.calls(CallPage(items=[CallDetail.model_validate(CALL)], next_cursor=None))
    )
    assert "score" in text
    assert "89 of 100, 1 to 10" in text
