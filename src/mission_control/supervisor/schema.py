"""Whether the database has the newest schema already, found out without SQLAlchemy and Alembic.

Loading those only to learn that there is nothing to do would add a second to every start.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import mission_control
from mission_control.core.settings import Settings

MIGRATIONS = Path(mission_control.__file__).parent / "data" / "migrations" / "versions"
REVISION = re.compile(r"^revision\b.*?= *[\"'](\w+)[\"']", re.MULTILINE)
DOWN_REVISIONS = re.compile(r"^down_revision\b.*?= *(.+)$", re.MULTILINE)


def schema_is_current(settings: Settings) -> bool:
    """True only when that is certain; PostgreSQL is always left to Alembic."""
    scheme, _, path = settings.database.partition(":///")
    if scheme != "sqlite+aiosqlite" or not Path(path).is_file():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=1)) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return {row[0] for row in rows} == newest_revisions()


def newest_revisions() -> set[str]:
    """Those that no other one follows, read from the migrations' text."""
    texts = [path.read_text() for path in MIGRATIONS.glob("*.py")]
    revisions = {name for text in texts for name in REVISION.findall(text)}
    followed = {
        name
        for text in texts
        for line in DOWN_REVISIONS.findall(text)
        for name in re.findall(r"[\"'](\w+)[\"']", line)
    }
    return revisions - followed
