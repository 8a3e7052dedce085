"""`python -m mission_control.supervisor.migrations`: bring the configured database up to date."""

from mission_control.core.logging import configure_logging
from mission_control.core.settings import get_settings
from mission_control.data.migrate import upgrade


def main() -> None:
    settings = get_settings()
    configure_logging(settings.mc_log_level)
    upgrade(settings.database)


if __name__ == "__main__":
    main()
