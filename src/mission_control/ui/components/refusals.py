"""Shows why the API refused something, in its own words."""

from collections.abc import Generator
from contextlib import contextmanager

import streamlit as st
from pydantic import ValidationError

from mission_control.client.errors import ApiProblemError, ApiUnreachableError
from mission_control.ui.components.badges import plain


@contextmanager
def refusals_shown() -> Generator[None]:
    """Show a refusal where it happened instead of ending the page."""
    try:
        yield
    except ApiProblemError as problem:
        show_problem(problem)
    except ValidationError as invalid:
        st.error("\n".join(f"- {_said(error['loc'], error['msg'])}" for error in invalid.errors()))


@contextmanager
def api_errors_shown() -> Generator[None]:
    """The same for a part that refreshes by itself: a lost API must not end it."""
    try:
        with refusals_shown():
            yield
    except ApiUnreachableError as error:
        st.warning(f"{plain(error.message)} Tried again in a while.")


def show_problem(problem: ApiProblemError) -> None:
    fields = "".join(f"\n- {plain(field)}: {plain(said)}" for field, said in problem.errors)
    st.error(plain(problem.detail) + fields)


def _said(where: tuple[int | str, ...], message: str) -> str:
    return f"{plain('.'.join(map(str, where)))}: {plain(message)}" if where else plain(message)
