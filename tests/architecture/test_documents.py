"""What is committed as made from the code is what the code makes."""

import difflib
from pathlib import Path

import pytest

from tests.documents import DOCUMENTS

MOST_LINES = 200


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_is_as_the_code_says(path: Path) -> None:
    committed = path.read_text(encoding="utf-8").splitlines()
    changed = [
        *difflib.unified_diff(
            committed, DOCUMENTS[path]().splitlines(), "committed", "as the code says", lineterm=""
        )
    ]
    assert not changed, "\n".join(
        [
            f"{path.name} is not what the code says. If that is meant, run `make documents` and commit:",
            *changed[:MOST_LINES],
            *(
                [f"… and {len(changed) - MOST_LINES} lines more"]
                if len(changed) > MOST_LINES
                else []
            ),
        ]
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_is_made_alike_every_time(path: Path) -> None:
    assert DOCUMENTS[path]() == DOCUMENTS[path]()
