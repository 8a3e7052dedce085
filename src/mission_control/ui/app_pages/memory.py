"""Page: what is remembered, where it is kept, searching it, and what of it an agent is given."""

from datetime import datetime, time, timedelta

import streamlit as st

from mission_control.api.memory.schemas import (
    HitRead,
    MemoryCorrect,
    MemoryCreate,
    MemoryRead,
    MemorySupersede,
    ServerList,
    ServerRead,
    ServerTold,
)
from mission_control.core.words import MemoryKind
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.agent_context import agent_context
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.syncing import memory_sync_line
from mission_control.ui.components.tables import choose_row, show_marked_rows

TIERS = ["all", "fact", "preference", "context", "1", "2", "3"]
ANYWHERE = "The first that can"
STATES = {
    "connected": ":green-badge[connected]",
    "connecting": ":gray-badge[connecting]",
    "unreachable": ":red-badge[unreachable]",
    "non-conforming": ":red-badge[non-conforming]",
    "unauthorised": ":orange-badge[unauthorised]",
}


def main() -> None:
    memory_sync_line(key="memory")
    remembered, search, conversations, context, servers = st.tabs(
        ["Remembered", "Search", "Conversations", "Agent context", "Servers"]
    )
    with refusals_shown():
        known = api_client().memory.servers()
        with remembered:
            show_remembered(known)
        with search:
            search_all()
        with conversations:
            show_conversations()
        with context:
            show_context()
        with servers:
            show_servers(known)


# ------------------------------------------------------------------ what is remembered


def show_remembered(known: ServerList) -> None:
    tier, as_of = ask()
    with refusals_shown():
        found = api_client().memory.temporal(tier=tier, as_of=as_of)
        counted = found.counts
        columns = st.columns(4)
        columns[0].metric("Memories", f"{counted.all:,}")
        for column, kind in zip(columns[1:], MemoryKind, strict=True):
            column.metric(f"{kind.value.title()}s", f"{counted.by_kind.get(kind, 0):,}")
        tiers = [f"tier {name}: {count:,}" for name, count in counted.by_tier.items()]
        if tiers:
            st.caption(f"By importance: {', '.join(tiers)}.")
        say_who_is_silent(found.servers)
        newest_first = found.items[::-1]
        if newest_first:
            picked = choose_row(
                [row(each) for each in newest_first],
                key=f"memory_table_{st.session_state.get('memory_changed', 0)}",
                alt="Memories, newest first",
                columns={"What": st.column_config.TextColumn(width="large")},
            )
            if len(newest_first) < counted.all:
                st.caption(f"The newest {len(newest_first):,} of {counted.all:,}.")
            if picked is not None:
                change(newest_first[picked], known)
        else:
            st.info("Nothing is remembered here. Add something below, or choose another tier.")
    add(known)


def ask() -> tuple[str, datetime | None]:
    left, right = st.columns([4, 2])
    tier = left.segmented_control(
        "Kind or importance", TIERS, default="all", required=True, key="memory_tier"
    )
    day = right.date_input(
        "As it was on",
        None,
        key="memory_as_of",
        format="YYYY-MM-DD",
        help="What was true at the end of that day. Empty: now.",
    )
    if day is None:
        return str(tier), None
    return str(tier), datetime.combine(day + timedelta(days=1), time.min, figures.zone())


def row(memory: MemoryRead) -> dict[str, object]:
    return {
        "Since": figures.moment(memory.valid_from or memory.recorded_at),
        "Until": figures.moment(memory.valid_to) if memory.valid_to else "",
        "Kind": memory.kind or figures.NOT_MEASURED,
        "Tier": str(memory.tier or figures.NOT_MEASURED),
        "Agent": memory.agent or "all",
        "About": memory.subject or "",
        "What": memory.content,
        "At": f"{memory.server}{' (stale)' if memory.stale else ''}",
    }


def say_who_is_silent(servers: list[ServerTold]) -> None:
    """A server that says nothing is never shown as one that has nothing."""
    for each in servers:
        if each.error is None:
            continue
        if each.stale_since is not None:
            known = f"Shown is what it held {figures.ago(each.stale_since)} (stale)."
        else:
            known = "Nothing of it is shown."
        st.warning(f"**{badges.plain(each.server)}**: {badges.plain(each.error.detail)} {known}")


# ------------------------------------------------------------------ changing


def add(known: ServerList) -> None:
    able = [each.name for each in known.servers if "add" in each.writes]
    if not able:
        st.caption("No memory server can be written to.")
        return
    with (
        st.expander("Remember something", icon=":material/add:"),
        st.form("memory_add", clear_on_submit=True, border=False),
    ):
        content = st.text_area("What", key="memory_add_content", max_chars=100_000)
        kind, tier, subject, agent, server = st.columns(5)
        chosen = kind.selectbox("Kind", list(MemoryKind), key="memory_add_kind")
        importance = tier.selectbox("Importance", [1, 2, 3], index=1, key="memory_add_tier")
        about = subject.text_input("About", key="memory_add_subject").strip() or None
        of_agent = agent.selectbox(
            "For",
            [each.id for each in frame.fleet()],
            index=None,
            placeholder="all agents",
            key="memory_add_agent",
        )
        at = server.selectbox("At", [ANYWHERE, *able], key="memory_add_server")
        if st.form_submit_button("Remember", type="primary", key="memory_add_now"):
            with refusals_shown():
                api_client().memory.add(
                    MemoryCreate(
                        content=content,
                        kind=chosen,
                        tier=importance,
                        subject=about,
                        agent_id=of_agent,
                        server=None if at == ANYWHERE else at,
                    )
                )
                show_again("Remembered.")


def change(memory: MemoryRead, known: ServerList) -> None:
    """What the chosen memory's server can do with it."""
    writes = {name for each in known.servers if each.name == memory.server for name in each.writes}
    with st.container(border=True):
        st.text(memory.content)
        st.caption(
            f"`{badges.plain(memory.ref)}`, recorded {figures.moment(memory.recorded_at)}"
            f"{f', supersedes {badges.plain(memory.supersedes)}' if memory.supersedes else ''}."
        )
        if memory.source:
            st.json(memory.source, expanded=False)
        if memory.stale or memory.valid_to is not None or not writes & {"supersede", "correct"}:
            st.caption("This one can only be read.")
            return
        content = st.text_area(
            "What is true instead", memory.content, key=f"memory_new_{memory.ref}"
        )
        with st.container(horizontal=True):
            if "supersede" in writes and st.button(
                "From now on", key="memory_supersede", icon=":material/update:"
            ):
                store(memory, content, supersede=True)
            if "correct" in writes and st.button(
                "It was so all along", key="memory_correct", icon=":material/edit:"
            ):
                store(memory, content, supersede=False)
        st.caption(
            "*From now on* keeps that the other was true until now. *It was so all along* is for "
            "what was written down wrong. Neither deletes anything."
        )


def store(memory: MemoryRead, content: str, *, supersede: bool) -> None:
    client = api_client().memory
    with refusals_shown():
        if supersede:
            client.supersede(memory.id, MemorySupersede(server=memory.server, content=content))
        else:
            client.correct(memory.id, MemoryCorrect(server=memory.server, content=content))
        show_again("Stored.")


def show_again(said: str) -> None:
    st.session_state["memory_changed"] = st.session_state.get("memory_changed", 0) + 1
    st.toast(said)
    st.rerun()


# ------------------------------------------------------------------ finding


def search_all() -> None:
    query = st.text_input(
        "Search memories, conversations and calls",
        key="memory_query",
        placeholder="In a few words",
    ).strip()
    if not query:
        st.caption("One ranked answer from all servers; the same text is shown once.")
        return
    with refusals_shown():
        found = api_client().memory.search(query)
        say_who_is_silent(found.servers)
        for hit in found.hits:
            show_hit(hit)
        if not found.hits:
            st.info("Nothing was found.")


def show_hit(hit: HitRead) -> None:
    memory, conversation = hit.memory, hit.conversation
    with st.container(border=True):
        if memory is not None:
            st.text(memory.content)
            about = f"{memory.kind or 'memory'}, since {figures.moment(memory.valid_from or memory.recorded_at)}"
            stale = memory.stale
        elif conversation is not None:
            st.text(conversation.text)
            about = f"said {figures.moment(conversation.at)} by {badges.plain(conversation.speaker or 'somebody')}"
            stale = conversation.stale
        else:
            return
        places = ", ".join(f"{badges.plain(each.server)} (place {each.rank})" for each in hit.found)
        st.caption(f"{about}; found at {places}{' :orange-badge[stale]' if stale else ''}")


def show_conversations() -> None:
    query = st.text_input(
        "Search what was said", key="memory_said", placeholder="Empty: the newest"
    ).strip()
    with refusals_shown():
        found = api_client().memory.hybrid(query or None)
        say_who_is_silent(found.servers)
        if not found.items:
            st.info("Nothing was found." if query else "No conversation is indexed yet: sync.")
        for each in found.items:
            with st.container(border=True):
                st.text(each.summary or each.text)
                who = f" · {badges.plain(each.agent)}" if each.agent else ""
                st.caption(f"{figures.moment(each.at)}{who} · {badges.plain(each.server)}")
        with st.expander("What the indexes say of themselves"):
            st.json(found.stats)


# ------------------------------------------------------------------ agents and servers


def show_context() -> None:
    agent = frame.chosen_agent()
    if agent is None:
        st.info("No agents yet. Import one on the Agents page, then come back.")
    else:
        agent_context(agent)


def show_servers(known: ServerList) -> None:
    if not known.servers:
        st.info("There is no memory server. Name one in memory.toml.")
        return
    show_marked_rows([server_row(each) for each in known.servers], alt="Memory servers")
    st.caption("`mission-control memory check` tries everything that is mapped.")


def server_row(server: ServerRead) -> dict[str, str]:
    embedded = " :blue-badge[embedded]" if server.transport == "embedded" else ""
    return {
        "Server": f"**{badges.plain(server.name)}**{embedded}",
        "Keeps": {"temporal": "memories", "hybrid": "conversations", "both": "both"}[server.role],
        "State": f"{STATES[server.status]} {figures.ago(server.since)}",
        "Why": badges.plain(server.reason or ""),
        "Tools": str(len(server.tools)),
        "Can": ", ".join(["read", *server.writes]),
    }


main()
