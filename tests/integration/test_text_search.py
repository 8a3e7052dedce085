"""Search over calls and leads on both databases: what a plain reading of every text would find."""

import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import event, select, text

from mission_control.core.text_folding import folded, long_runs, sought, words_of
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.calls import Call, CallContent, CallFacts, CallFilter
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.leads import LeadFacts, LeadField, LeadFilter
from mission_control.data.pages import Cursor
from mission_control.data.text_search import windows
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import an_agent

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)
Unit = Callable[..., UnitOfWork]
WORDS = [
    "roof", "Roof", "ROOFS", "café", "CAFE", "cafe\u0301", "İstanbul", "istanbul", "follow\u2011up", "follow-up",
    "don't", "don\u2019t", "ﬁnance", "Straße", "ｆｕｌｌ", "re\u00adfund", "$49", "1,500", "100%", "返金", "返金をお約束します",
    "お約束", "約束をお返金", "ขอคืนเงิน", "คืนเงิน", "환불은", "환불", "Łódź", "a_b", "AND", "NOT", "*", '"', "'); --", "x:y", "nobody",
]  # fmt: skip
NUMBERS = ["+14155550123", "+14155550199", "+493012345678", None]


@pytest.fixture
async def unit(database_url: str) -> AsyncIterator[Unit]:
    engine = create_engine(database_url)
    sessions = create_sessions(engine)
    yield partial(UnitOfWork, sessions)
    await engine.dispose()


def said(chance: random.Random, most: int = 6) -> str:
    return chance.choice([" ", ", ", "\n"]).join(chance.choices(WORDS, k=chance.randrange(most)))


def a_call(number: int, chance: random.Random, version: int = 0) -> CallFacts:
    # A year and a half, crowded at its end: every kind of window is gone through.
    age = timedelta(hours=number) if number % 2 else timedelta(days=number * 4)
    return CallFacts(
        source=CallSource.VAPI,
        external_id=f"call-{number}",
        created_at=T0 - age,
        source_updated_at=T0 + timedelta(seconds=version),
        agent_id=chance.choice(["ada", None]),
        ending=chance.choice(list(CallEnding)),
        direction=chance.choice(["inbound", "outbound"]),
        summary=said(chance),
        transcript=said(chance, 12),
        customer_name=said(chance, 2),
        customer_number=chance.choice(NUMBERS),
        document={"version": version},
    )


def has(call: Call, transcript: str | None, asked: str) -> bool:
    """Read in plain Python: all words are there, and what has no spaces is there as it stands."""
    texts = [each for each in (call.summary, transcript, call.customer_name) if each]
    words = {word for each in texts for word in words_of(each)}
    runs_found = all(any(run in folded(each) for each in texts) for run in long_runs(asked))
    wanted = sought(asked)
    return bool(wanted) and {*wanted} <= words and runs_found


async def found(unit: Unit, wanted: CallFilter, limit: int) -> list[str]:
    """Through all pages."""
    ids: list[str] = []
    cursor: str | None = None
    async with unit(readonly=True) as uow:
        while True:
            page = await uow.calls.page(wanted, limit=limit, cursor=Cursor.decode(cursor, Call))
            ids += [call.external_id for call in page.items]
            if (cursor := page.next_cursor) is None:
                return ids


async def plainly(unit: Unit, fits: Callable[[Call, str | None], bool]) -> list[str]:
    statement = select(Call, CallContent.transcript).outerjoin(CallContent)
    newest = statement.order_by(Call.created_at.desc(), Call.id.desc())
    async with unit(readonly=True) as uow:
        rows = (await uow._session.execute(newest)).all()  # pyright: ignore[reportPrivateUsage]
    return [call.external_id for call, transcript in rows if fits(call, transcript)]


@pytest.mark.parametrize("seed", range(2))
async def test_search_agrees_with_a_plain_reading(unit: Unit, seed: int) -> None:
    chance = random.Random(seed)
    async with unit() as uow:
        await an_agent(uow, "ada")
        await uow.calls.store([a_call(n, chance) for n in range(140)])
    async with unit() as uow:  # texts change, and calls go
        await uow.calls.store([a_call(n, chance, 1) for n in range(0, 140, 3)])
        await uow.calls.delete(CallSource.VAPI, [f"call-{n}" for n in range(0, 140, 11)])
        await uow.calls.store([
            CallFacts(source=CallSource.VAPI, external_id="call-5", created_at=T0, document={},
                      source_updated_at=T0 + timedelta(1), content_removed_at=T0)
        ])  # fmt: skip
    questions = [*WORDS, *(said(chance, 3) for _ in range(25))]
    for asked in (each for each in questions if len(each) > 1):
        if asked.endswith("*"):
            continue
        expected = await plainly(unit, lambda call, spoken, asked=asked: has(call, spoken, asked))
        assert await found(unit, CallFilter(text=asked), chance.randrange(1, 60)) == expected, asked
    for narrowed in ({"agent_id": "ada"}, {"direction": "inbound"}, {"ending": CallEnding.ERROR},
                     {"created_from": T0 - timedelta(days=200), "created_to": T0 - timedelta(hours=30)}):  # fmt: skip
        bare = CallFilter(**cast("dict[str, Any]", narrowed))
        fitting = {*await found(unit, bare, 100)}
        for asked in ("roof", "返金をお約束します", "cafe"):
            plain = await plainly(unit, lambda call, spoken, asked=asked: has(call, spoken, asked))
            expected = [each for each in plain if each in fitting]
            assert await found(unit, bare.narrowed(text=asked), 7) == expected, (narrowed, asked)


async def test_beginnings_and_numbers(unit: Unit) -> None:
    async with unit() as uow:
        await uow.calls.store([
            CallFacts(source=CallSource.VAPI, external_id=f"call-{at}", created_at=T0 - timedelta(at),
                      document={}, summary=summary, customer_number=number)
            for at, (summary, number) in enumerate([
                ("roofing", "+14155550123"), ("a roof", "+14155550199"), ("order 5550123", None)])
        ])  # fmt: skip
    for asked, expected in {
        "roof": ["call-1"], "roof*": ["call-0", "call-1"], "0123": ["call-0"], "5550123": ["call-0", "call-2"],
        "+1 (415) 555-0199": ["call-1"], "415-555": ["call-0", "call-1"], "order": ["call-2"], "**": [],
    }.items():  # fmt: skip
        assert await found(unit, CallFilter(text=asked), 10) == expected, asked


async def test_calls_are_found_by_the_agent_that_they_were_linked_to_later(unit: Unit) -> None:
    async with unit() as uow:
        await an_agent(uow, "ada")
        await uow.calls.store([
            CallFacts(source=CallSource.VAPI, external_id="call-1", created_at=T0, document={},
                      assistant_id="asst", summary="a roof")
        ])  # fmt: skip
    wanted = CallFilter(text="roof", agent_id="ada")
    assert await found(unit, wanted, 10) == []
    async with unit() as uow:
        await uow.calls.link_agents({"asst": "ada"})
    assert await found(unit, wanted, 10) == ["call-1"]


async def test_leads_by_beginnings_numbers_and_fields(unit: Unit) -> None:
    def lead(name: str, **custom: Any) -> LeadFacts:
        return LeadFacts(
            id=f"lead_{name.split(maxsplit=1)[0].lower()}", created_at=T0, updated_at=T0, name=name,
            status_id="stat_1", status_label="New", phones=["+14155550123"], primary_email=None,
            search_text=f"{name}\n+14155550123".lower(), custom=custom, document={"name": name},
        )  # fmt: skip

    async with unit() as uow:
        await uow.leads.store(
            [lead("Zoë Łukasz", cf_1=["red", "blue"], cf_2=12), lead("王小明 Ltd", cf_1="blue")],
            seen_at=T0,
        )

    async def ids(**wanted: Any) -> set[str]:
        async with unit(readonly=True) as uow:
            page = await uow.leads.page(LeadFilter(**wanted), limit=10, cursor=None)
            return {each.id.removeprefix("lead_") for each in page.items}

    one, other = LeadField(id="cf_1", name="A", type="text"), LeadField(id="cf_2", name="B", type="number")  # fmt: skip
    assert await ids(text="zoe luk") == {"zoë"}
    assert await ids(text="小明") == {"王小明"}
    assert await ids(text="小王") == set()
    assert await ids(text="(415) 555-0123") == {"zoë", "王小明"}
    assert await ids(custom=[(one, "blue")]) == {"zoë", "王小明"}
    assert await ids(custom=[(one, "blue"), (other, "12.0")]) == {"zoë"}
    assert await ids(custom=[(one, "blu")]) == set()
    assert await ids(text="zoe", custom=[(one, "red")], status_id="stat_1") == {"zoë"}
    assert await ids(text="zoe", status_id="stat_2") == set()


def test_windows_cover_every_day_once() -> None:
    for days in (0, 1, 5, 21, 22, 60, 400, 5_000):
        oldest = T0 - timedelta(days=days)
        ends = [window.until for window in windows(oldest, T0)]
        assert ends == sorted(ends, reverse=True)
        assert ends[0] > T0
        assert len(ends) < 10
    assert [*windows(T0, T0 - timedelta(days=2))] == []


# -------------------------------------------------------------------- how it is found

LISTED: list[dict[str, Any]] = [
    {}, {"agent_id": "ada"}, {"assistant_version": "v1"}, {"source": CallSource.CLOSE}, {"direction": "web"},
    {"ended_reason": "x"}, {"ending": CallEnding.ERROR}, {"success": True}, {"lead_id": "lead_1"},
    {"created_from": T0}, {"created_to": T0}, {"min_cost": Decimal(1)}, {"text": "roof"}, {"text": "roof", "agent_id": "ada"},
]  # fmt: skip
LARGE = ("calls", "call_contents", "call_texts", "leads", "lead_texts")


async def plans(uow: UnitOfWork, work: Callable[[], Any]) -> list[str]:
    """How the database would do each statement of the work, as if its tables were large."""
    connection = await uow._session.connection()  # pyright: ignore[reportPrivateUsage]
    is_sqlite = connection.dialect.name == "sqlite"
    sent: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection.sync_connection, "before_cursor_execute", note)
    await work()
    event.remove(connection.sync_connection, "before_cursor_execute", note)
    if not is_sqlite:
        await uow._session.execute(text("SET LOCAL enable_seqscan = off"))  # pyright: ignore[reportPrivateUsage]
        await uow._session.execute(text("SET LOCAL enable_sort = off"))  # pyright: ignore[reportPrivateUsage]
    found: list[str] = []
    for statement, parameters in sent:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            how = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
            rows = await connection.exec_driver_sql(f"{how} {statement}", parameters)
            found.append("\n".join(str(row[-1]) for row in rows))
    return found


async def test_no_list_reads_a_whole_table(unit: Unit) -> None:
    async with unit() as uow:
        await an_agent(uow, "ada")
        await uow.calls.store([a_call(n, random.Random(n)) for n in range(5)])
    for narrowed in LISTED:
        for cursor in (None, Cursor("calls", T0 - timedelta(hours=2), str(UUID(int=5)))):
            async with unit(readonly=True) as uow:
                asked = await plans(
                    uow,
                    lambda narrowed=narrowed, cursor=cursor, uow=uow: uow.calls.page(
                        CallFilter(**narrowed), limit=50, cursor=cursor
                    ),
                )
            assert asked
            for plan in asked:
                _assert_looked_up(plan, narrowed)


def _assert_looked_up(plan: str, about: object) -> None:
    for line in plan.splitlines():
        where = f"{about}: {plan}"
        scanned = line.removeprefix("SCAN ").split(" ")[0] if line.startswith("SCAN ") else ""
        # Walking an index in the list's order stops at the page's end.
        assert scanned not in LARGE or "USING" in line, where
        assert not any(f"Seq Scan on {table}" in line for table in LARGE), where
