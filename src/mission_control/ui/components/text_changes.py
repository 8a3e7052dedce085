"""Texts of an assistant that somebody changed: what they were, and what they are now."""

import difflib

import streamlit as st

from mission_control.ui.components.prompt_diff import prompt_diff

PROMPT = "system"
NAMES = {PROMPT: "the prompt", "first_message": "the first message"}


def theirs_shown(field: str, known: str | None, live: str | None) -> None:
    st.caption(f"What somebody changed in {NAMES.get(field, field)} at Vapi:")
    difference(known, live)


def difference(before: str | None, after: str | None) -> None:
    lines = difflib.unified_diff(
        (before or "").splitlines(), (after or "").splitlines(), "before", "after", lineterm=""
    )
    prompt_diff("\n".join(lines), unchanged="The texts are the same.")
