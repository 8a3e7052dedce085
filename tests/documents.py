"""Writes the documents that are made from the code: `make documents`."""

from collections.abc import Callable
from pathlib import Path

from mission_control.api import asyncapi
from mission_control.api.app import create_app
from mission_control.api.document import as_text
from tests.services import REPOSITORY


def openapi() -> str:
    return as_text(create_app().openapi())


DOCUMENTS: dict[Path, Callable[[], str]] = {
    REPOSITORY / "docs" / "asyncapi.json": asyncapi.as_text,
    REPOSITORY / "docs" / "openapi.json": openapi,
}


def main() -> None:
    for path, made in DOCUMENTS.items():
        path.write_text(made(), encoding="utf-8")
        print(f"{path.relative_to(REPOSITORY)} is written.")


if __name__ == "__main__":
    main()
