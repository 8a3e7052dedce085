"""Changing one thing of a lead: written to Close first, shown here only when Close has taken it."""

from typing import Any

import streamlit as st

from mission_control.api.leads.schemas import (
    LeadDetail,
    LeadFieldRead,
    LeadFieldsRead,
    LeadUpdate,
)
from mission_control.ui.clients import api_client
from mission_control.ui.components.refusals import refusals_shown

OWN = {"name": "Name", "status": "Status", "description": "Description", "url": "Web address"}
ADD, REMOVE = "Add", "Remove"
UNSET = "no value"


def change_lead(lead: LeadDetail, known: LeadFieldsRead) -> None:
    fields = {each.id: each for each in known.fields}
    names = {**OWN, **{each.id: each.name for each in known.fields}}
    chosen = st.selectbox(
        "What to change", list(names), format_func=names.__getitem__, key="lead_change_what"
    )
    with st.form("lead_change_form", border=False):
        field = fields.get(chosen)
        key = f"lead_change_{lead.id}_{chosen}"
        change = _own(lead, known, chosen, key) if field is None else _custom(lead, field, key)
        sent = st.form_submit_button("Write to Close", type="primary", key="lead_change_send")
    st.caption("It is written to Close at once. What Close refuses changes nothing, there or here.")
    if sent:
        _send(lead, change, names[chosen])


def _send(lead: LeadDetail, change: dict[str, Any] | None, name: str) -> None:
    if change is None:
        st.error(f"Give {name} a value first; nothing was sent.")
        return
    with refusals_shown():
        api_client().leads.update(lead.id, LeadUpdate.model_validate(change))
        st.toast(f"Close has taken it: {name}.", icon=":material/done:")
        st.rerun()


def _own(lead: LeadDetail, known: LeadFieldsRead, what: str, key: str) -> dict[str, Any] | None:
    if what == "status":
        labels = {each.id: each.label for each in known.statuses}
        ids = list(labels)
        at = ids.index(lead.status_id) if lead.status_id in labels else None
        given = st.selectbox("Status", ids, index=at, format_func=labels.__getitem__, key=key)
    elif what == "description":
        given = st.text_area("Description", lead.description or "", key=key)
    else:
        given = st.text_input(OWN[what], str(getattr(lead, what) or ""), key=key)
    if not given and what in {"name", "status"}:
        return None
    return {what: given or None}


def _custom(lead: LeadDetail, field: LeadFieldRead, key: str) -> dict[str, Any] | None:
    value = lead.custom.get(field.id)
    if field.accepts_multiple:
        return _several(field, value if isinstance(value, list) else [], key)
    given = _one(field, value, key)
    return {"custom": {field.id: given}}


def _several(field: LeadFieldRead, values: list[Any], key: str) -> dict[str, Any] | None:
    """Values are added and taken away one by one: nobody replaces a list by accident."""
    st.markdown("It holds: " + (", ".join(f"`{each}`" for each in values) or "nothing"))
    what, which = st.columns([1, 3])
    way = what.segmented_control(
        "How", [ADD, REMOVE], default=ADD, required=True, key=f"{key}_way", disabled=not values
    )
    free = [each for each in field.choices if each not in values]
    with which:
        added = _of(field, free, "Value to add", f"{key}_add")
        removed = st.selectbox(
            "Value to remove", values, index=None, key=f"{key}_remove", placeholder="none"
        )
    given = added if way == ADD else removed
    verb = "add" if way == ADD else "remove"
    return {"custom": {field.id: {verb: given}}} if given else None


def _of(field: LeadFieldRead, choices: list[str], label: str, key: str) -> str | None:
    if field.choices:
        return st.selectbox(label, choices, index=None, key=key, placeholder="none")
    return st.text_input(label, key=key) or None


def _one(field: LeadFieldRead, value: object, key: str) -> object:
    if field.type == "number":
        number = float(value) if isinstance(value, int | float) else None
        return st.number_input(field.name, value=number, key=key, placeholder=UNSET)
    if field.type == "date":
        day = st.date_input(field.name, str(value) if value else None, key=key, format="YYYY-MM-DD")
        return day.isoformat() if day else None
    if field.choices:
        at = field.choices.index(str(value)) if value in field.choices else None
        return st.selectbox(field.name, field.choices, index=at, key=key, placeholder=UNSET)
    return st.text_input(field.name, str(value or ""), key=key, placeholder=UNSET) or None
