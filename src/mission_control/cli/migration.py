"""Brings the configured database to the newest schema."""

from rich.text import Text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from mission_control.cli.session import UNAVAILABLE, CommandError, Screen
from mission_control.core.logging import configure_logging
from mission_control.core.settings import Settings, get_settings
from mission_control.data.migrate import newest_revision, upgrade


def migrate_database(screen: Screen) -> None:
    settings = get_settings()
    configure_logging("warning")
    where = described(settings)
    if settings.database_url is None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        upgrade(settings.database)
    except (SQLAlchemyError, OSError) as exc:
        raise CommandError(
            f"{where} cannot be migrated ({type(exc).__name__}). What was not finished was undone; "
            "check that it is reachable and that DATABASE_URL is right.",
            exit_code=UNAVAILABLE,
            code="database_unavailable",
        ) from None
    revision = newest_revision()
    line = Text(f"{where} is at the newest schema ({revision}).")
    screen.answer({"database": where, "revision": revision}, line)


def described(settings: Settings) -> str:
    """Which database, without its password."""
    try:
        return make_url(settings.database).render_as_string(hide_password=True)
    except ArgumentError:
        raise CommandError("DATABASE_URL is not a database's URL. Nothing was done.") from None
