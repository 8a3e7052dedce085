"""Tables of plain rows."""

from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st
from streamlit.column_config import MultiselectColumn
from streamlit.elements.lib.column_types import ColumnConfig

Row = Mapping[str, object]
Columns = Mapping[str, ColumnConfig]

MOST_ROWS = 12  # a longer table scrolls
MOST_PIXELS = 400


def show_rows(rows: Sequence[Row], *, key: str, alt: str, columns: Columns | None = None) -> None:
    """`alt` says what the table is for, to those who cannot see it."""
    st.dataframe(  # pyright: ignore[reportUnknownMemberType]  # pandas has no types here
        rows,
        key=key,
        alt=alt,
        hide_index=True,
        height=_height(rows),
        column_config=columns,
    )


def choose_row(
    rows: Sequence[Row], *, key: str, alt: str, columns: Columns | None = None
) -> int | None:
    """The same, and the position of the row that was chosen."""
    state = st.dataframe(  # pyright: ignore[reportUnknownMemberType]
        rows,
        key=key,
        alt=alt,
        hide_index=True,
        height=_height(rows),
        column_config=columns,
        on_select="rerun",
        selection_mode="single-row",
    )
    chosen = state["selection"]["rows"]
    return chosen[0] if chosen and chosen[0] < len(rows) else None


def choose_rows(rows: Sequence[Row], *, key: str, alt: str) -> list[int]:
    """The same for several: the positions of the rows that were chosen."""
    state = st.dataframe(  # pyright: ignore[reportUnknownMemberType]
        rows,
        key=key,
        alt=alt,
        hide_index=True,
        height=_height(rows),
        on_select="rerun",
        selection_mode="multi-row",
    )
    return [row for row in state["selection"]["rows"] if row < len(rows)]


def status_column(colors: Mapping[str, str], *, width: int | None = None) -> ColumnConfig:
    """A column of coloured words; its cells are lists of one word."""
    return MultiselectColumn(options=list(colors), color=list(colors.values()), width=width)


def show_marked_rows(rows: Sequence[Row], *, alt: str) -> None:
    """A small table whose cells are Markdown."""
    st.table(rows, border="horizontal", hide_index=True, alt=alt)  # pyright: ignore[reportUnknownMemberType]


def _height(rows: Sequence[Row]) -> int | Literal["content"]:
    return "content" if len(rows) <= MOST_ROWS else MOST_PIXELS
