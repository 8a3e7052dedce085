"""`python -m mission_control.supervisor`: what `mission-control up` does."""

import asyncio
import sys

from mission_control.core.settings import SettingsError, get_settings
from mission_control.supervisor.supervise import REFUSED, run


def main() -> int:
    try:
        settings = get_settings()
    except SettingsError as refusal:
        sys.stderr.write(f"{refusal.message}\n")
        return REFUSED
    return asyncio.run(run(settings))


if __name__ == "__main__":
    sys.exit(main())
