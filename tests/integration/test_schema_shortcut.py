"""The start leaves Alembic out exactly when Alembic would find nothing to do."""

import asyncio
from pathlib import Path

import pytest

from mission_control.core.settings import Settings
from mission_control.data.migrate import downgrade, newest_revision
from mission_control.supervisor import schema
from mission_control.supervisor.parts import parts_for


def settings_for(data_dir: Path, url: str | None) -> Settings:
    return Settings(_env_file=None, mc_data_dir=data_dir, database_url=url)  # type: ignore[call-arg]


def test_it_reads_the_newest_revision_as_alembic_does() -> None:
    assert schema.newest_revisions() == {newest_revision()}


@pytest.mark.parametrize("quote", ['"', "'"])
def test_it_follows_branches_and_their_merge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quote: str
) -> None:
    for name, after in {"a": "None", "b": "'a'", "c": "'a'", "m": "('b', 'c')"}.items():
        text = f"revision = '{name}'\ndown_revision = {after}\n".replace("'", quote)
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(schema, "MIGRATIONS", tmp_path)

    assert schema.newest_revisions() == {"m"}


async def test_migrations_are_left_out_only_for_a_current_sqlite(
    tmp_path: Path, sqlite_url: str
) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    assert "migrations" not in [part.name for part in parts_for(settings)]

    await asyncio.to_thread(downgrade, sqlite_url)

    assert "migrations" in [part.name for part in parts_for(settings)]


@pytest.mark.parametrize("content", [None, b"", b"not a database, but a file with some length"])
def test_without_a_readable_database_migrations_are_run(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "database.db").write_bytes(content)

    assert not schema.schema_is_current(settings_for(tmp_path, None))


def test_postgres_is_always_left_to_alembic(tmp_path: Path, postgres_url: str) -> None:
    assert not schema.schema_is_current(settings_for(tmp_path, postgres_url))
