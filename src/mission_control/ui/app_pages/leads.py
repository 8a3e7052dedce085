"""Page: the leads that Close keeps, one of them in detail, and changing it there."""

from typing import Any

import streamlit as st

from mission_control.api.leads.schemas import (
    LeadDetail,
    LeadFieldRead,
    LeadFieldsRead,
    LeadPage,
    LeadRead,
)
from mission_control.core.words import SyncSystem
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures
from mission_control.ui.components.lead_calls import as_one, lead_calls
from mission_control.ui.components.lead_form import change_lead
from mission_control.ui.components.opened import close_it, open_it, opened
from mission_control.ui.components.paging import cursor_of, page_buttons
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.syncing import sync_line
from mission_control.ui.components.tables import choose_row, show_marked_rows

PER_PAGE = 50
MOST_FIELDS_IN_A_LIST = 3


def main() -> None:
    lead_id = opened("lead")
    if lead_id is not None:
        show_lead(lead_id)
    else:
        list_leads()


# ------------------------------------------------------------------ many


def list_leads() -> None:
    mirror = sync_line(SyncSystem.CLOSE, key="leads")
    known = api_client().leads.fields()
    asked = ask(known)
    with refusals_shown():
        page = api_client().leads.list(
            **asked, limit=PER_PAGE, cursor=cursor_of(asked, key="leads")
        )
        if page.items:
            show_table(page, known.fields, asked)
        elif any(asked.values()):
            st.info("No lead is like that. Take a filter away, or sync if it is new in Close.")
        elif mirror.complete_until is None:
            st.info("No leads were read yet. Press *Sync now*: the first reading takes a while.")
        else:
            st.info("Close has no leads.")


def ask(known: LeadFieldsRead) -> dict[str, Any]:
    search, status, field, value = st.columns([4, 2, 2, 2])
    given: dict[str, Any] = {
        "search": search.text_input(
            "Search",
            key="leads_search",
            placeholder="Name, number or mail",
            persist_state="session",
        ).strip()
        or None,
        "status": status.selectbox(
            "Status",
            [each.id for each in known.statuses],
            index=None,
            format_func={each.id: each.label for each in known.statuses}.__getitem__,
            key="leads_status",
            placeholder="any",
            persist_state="session",
        ),
    }
    by_id = {each.id: each for each in known.fields}
    field_id = field.selectbox(
        "Custom field",
        list(by_id),
        index=None,
        format_func=lambda key: by_id[key].name,
        key="leads_field",
        placeholder="any",
        persist_state="session",
    )
    with value:
        wanted = ask_value(by_id[field_id]) if field_id else None
    given["custom"] = {field_id: wanted} if field_id and wanted else None
    return given


def ask_value(field: LeadFieldRead) -> str | None:
    key = f"leads_value_{field.id}"
    if field.choices:
        return st.selectbox(
            "is", field.choices, index=None, key=key, placeholder="any", persist_state="session"
        )
    return st.text_input("is", key=key, placeholder="any", persist_state="session").strip() or None


def show_table(page: LeadPage, fields: list[LeadFieldRead], asked: dict[str, Any]) -> None:
    wanted = list(asked["custom"] or {})
    shown = [each for each in fields if each.id in wanted]
    shown += [each for each in fields if each.id not in wanted][
        : MOST_FIELDS_IN_A_LIST - len(shown)
    ]
    picked = choose_row(
        [lead_row(each, shown) for each in page.items],
        key=f"leads_table_{st.session_state.get('leads_opened_times', 0)}",
        alt="Leads, newest first",
    )
    page_buttons(len(page.items), "leads", page.next_cursor, key="leads")
    if picked is not None:
        open_it("lead", page.items[picked].id)


def lead_row(lead: LeadRead, fields: list[LeadFieldRead]) -> dict[str, object]:
    return {
        "Lead": lead.name,
        "Status": lead.status_label or figures.NOT_MEASURED,
        "Phone": lead.primary_phone or "",
        "Mail": lead.primary_email or "",
        **{each.name: as_text(lead.custom.get(each.id)) for each in fields},
        "Created": figures.moment(lead.created_at),
        "Changed": figures.moment(lead.updated_at),
    }


def as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return "" if value is None else str(value)


# ------------------------------------------------------------------ one


def show_lead(lead_id: str) -> None:
    close_it("lead", label="All leads")
    with refusals_shown():
        lead = api_client().leads.get(lead_id)
        head(lead)
        calls, people, fields, change = st.tabs(
            [
                f"Calls ({len(as_one(lead.calls))}{' +' if lead.more_calls else ''})",
                f"People ({len(lead.contacts)})",
                f"Fields ({len(lead.custom_fields)})",
                "Change",
            ]
        )
        with calls:
            lead_calls(lead)
        with people:
            show_people(lead)
        with fields:
            show_fields(lead)
        with change:
            change_lead(lead, api_client().leads.fields())


def head(lead: LeadDetail) -> None:
    st.subheader(badges.plain(lead.name))
    parts = [f":blue-badge[{badges.plain(lead.status_label)}]" if lead.status_label else ""]
    if lead.primary_phone:
        parts.append(badges.plain(lead.primary_phone))
    if lead.primary_email:
        parts.append(badges.plain(lead.primary_email))
    if lead.close_url:
        parts.append(f"[Open in Close](<{lead.close_url}>)")
    st.markdown(" &ensp;".join(part for part in parts if part))
    if lead.description:
        st.text(lead.description)
    if lead.url:
        st.caption(f"Web: {badges.plain(lead.url)}")
    st.caption(
        f"In Close since {figures.moment(lead.created_at)}, changed there "
        f"{figures.moment(lead.updated_at)}; read from it {figures.ago(lead.mirrored_at)}. "
        f"Id `{lead.id}`."
    )


def show_people(lead: LeadDetail) -> None:
    if not lead.contacts:
        st.caption("Close knows nobody of this lead.")
        return
    show_marked_rows(
        [
            {
                "Name": badges.plain(each.name or figures.NOT_MEASURED),
                "Title": badges.plain(each.title or ""),
                "Phone": badges.plain(", ".join(each.phones)),
                "Mail": badges.plain(", ".join(each.emails)),
            }
            for each in lead.contacts
        ],
        alt="People of this lead",
    )


def show_fields(lead: LeadDetail) -> None:
    if not lead.custom_fields:
        st.caption("No custom field of this lead has a value.")
        return
    show_marked_rows(
        [
            {
                "Field": badges.plain(each.name or "unknown here")
                + ("" if each.name else f" `{each.id}`"),
                "Value": badges.plain(as_text(each.value)),
            }
            for each in lead.custom_fields
        ],
        alt="Custom fields of this lead",
    )


main()
