"""Newer and older: the pages of a list that goes on behind a cursor."""

from collections.abc import Callable
from typing import Any

import streamlit as st


def cursor_of(asked: object, *, key: str) -> str | None:
    """Where the page that is looked at begins. Whoever asks something else begins anew."""
    return _trail(asked, key)["cursors"][-1]


def page_buttons(count: int, noun: str, next_cursor: str | None, *, key: str) -> None:
    """Say which part of the list this is; nothing to click where there is only one."""
    trail: dict[str, Any] = st.session_state[_name(key)]
    number = len(trail["cursors"])
    if number == 1 and next_cursor is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        _button("Newest", ":material/first_page:", _newest, trail, key=key, off=number == 1)
        _button("Newer", ":material/chevron_left:", _newer, trail, key=key, off=number == 1)
        st.markdown(f"Page {number} · {count} {noun}")
        st.button(
            "Older",
            icon=":material/chevron_right:",
            icon_position="right",
            key=f"{key}_older",
            disabled=next_cursor is None,
            on_click=_older,
            args=(trail, next_cursor),
        )


def _button(
    label: str,
    icon: str,
    step: Callable[[dict[str, Any]], None],
    trail: dict[str, Any],
    *,
    key: str,
    off: bool,
) -> None:
    name = f"{key}_{label.lower()}"
    st.button(label, icon=icon, key=name, disabled=off, on_click=step, args=(trail,))


def _trail(asked: object, key: str) -> dict[str, Any]:
    """The cursors on the way here; the newest page has none."""
    trail = st.session_state.get(_name(key))
    if trail is None or trail["asked"] != asked:
        trail = st.session_state[_name(key)] = {"asked": asked, "cursors": [None]}
    return trail


def _name(key: str) -> str:
    return f"{key}_trail"


def _newest(trail: dict[str, Any]) -> None:
    del trail["cursors"][1:]


def _newer(trail: dict[str, Any]) -> None:
    if len(trail["cursors"]) > 1:
        trail["cursors"].pop()


def _older(trail: dict[str, Any], next_cursor: str) -> None:
    trail["cursors"].append(next_cursor)
