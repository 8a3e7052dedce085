"""`python -m mission_control.supervisor.migrations`: bring the configured database up to date."""

import sys

import structlog
from sqlalchemy.exc import OperationalError

from mission_control.core.logging import configure_logging
from mission_control.core.settings import get_settings
from mission_control.data.migrate import upgrade

log = structlog.get_logger(__name__)


def main() -> int:
    settings = get_settings()
    configure_logging(settings.mc_log_level)
    try:
        upgrade(settings.database)
    except OperationalError as exc:
        # The driver's first line says why; it names host and user, never the password.
        cause = str(exc.orig).partition("\n")[0]
        log.error("database_unavailable", cause=cause, to_do="Check DATABASE_URL.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
