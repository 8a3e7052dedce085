"""What a table of a page shows, row by row."""

from typing import Any


def records(table: Any) -> list[dict[str, Any]]:
    """`table`: an element of `AppTest.table` or `AppTest.dataframe`."""
    return table.value.to_dict("records")
