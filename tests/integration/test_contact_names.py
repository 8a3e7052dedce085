"""Names that the CRM knows are in no draft, whatever way the call leads to the lead; on both databases."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from mission_control.api.leads.contact_names import contact_names
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.leads import LeadFacts
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.drafts import drafts
from tests.unit.test_vapi_playbook import a_call

T0 = datetime(2026, 11, 20, tzinfo=UTC)
NUMBER = "+442079460000"
Unit = Callable[..., UnitOfWork]


@pytest.fixture
async def unit(database_url: str) -> AsyncIterator[Unit]:
    engine = create_engine(database_url)
    yield partial(UnitOfWork, create_sessions(engine))
    await engine.dispose()


def a_lead(lead_id: str, *people: str, phones: tuple[str, ...] = ()) -> LeadFacts:
    contacts = [{"id": f"cont_{at}", "name": name} for at, name in enumerate(people)]
    document: dict[str, Any] = {"id": lead_id, "contacts": contacts}
    return LeadFacts(
        id=lead_id, created_at=T0, updated_at=T0, name="Bank of the West", status_id=None,
        status_label=None, phones=[*phones], primary_email=None, search_text="", custom={},
        document=document,
    )  # fmt: skip


async def test_names_of_the_lead_and_of_whoever_has_the_number(unit: Unit) -> None:
    async with unit() as uow:
        await uow.leads.store(
            [
                a_lead("lead_1", "Giuseppina Esposito"),
                a_lead("lead_2", "Desmond O'Grady", "山本太郎", phones=(NUMBER,)),
                a_lead("lead_3", "Nobody Else", phones=("+14155550199",)),
            ],
            seen_at=T0,
        )
    said = (
        ("user", "Is Esposito there, or O'Grady, or 山本さん? What is the price of the West loan"),
        ("bot", "Giuseppina is away."),
    )
    by_id = a_call(*said, assistantOverrides={"metadata": {"close_lead_id": "lead_1"}})
    by_number = a_call(*said, id="by-number", customer={"number": "+44 (0)20 7946 0000"})
    unknown = a_call(*said, id="unknown", customer={"number": "+14155550100"})
    gone = a_call(*said, id="gone", assistantOverrides={"metadata": {"close_lead_id": "lead_9"}})
    calls: list[Any] = [by_id, by_number, unknown, gone]
    async with unit(readonly=True) as uow:
        names = await contact_names(uow, calls)
    assert names[by_id["id"]] == ["Giuseppina Esposito"]
    assert names["by-number"] == ["Desmond O'Grady", "山本太郎"]
    assert (names["unknown"], names["gone"]) == ([], [])

    texts = [str([*drafts([call], names)]) for call in (by_id, by_number)]
    assert "Esposito" not in texts[0]
    assert "Giuseppina" not in texts[0]
    assert "O'Grady" not in texts[1]
    assert "山本" not in texts[1]
    for text in texts:
        assert "What is the price of the West loan" in text
