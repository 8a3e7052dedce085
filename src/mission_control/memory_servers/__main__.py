"""`python -m mission_control.memory_servers temporal|hybrid [--http PORT]`: one memory server by itself."""

import argparse
import sys

from mission_control.core.errors import MissionControlError
from mission_control.core.logging import configure_logging
from mission_control.core.settings import get_settings
from mission_control.memory_servers.serving import NAMES, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mission_control.memory_servers")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--http", type=int, metavar="PORT", help="on 127.0.0.1; else over stdio")
    chosen = parser.parse_args()
    configure_logging("warning")  # to stderr: over stdio, stdout belongs to the protocol
    try:
        serve(chosen.name, get_settings(), port=chosen.http)
    except MissionControlError as refusal:
        sys.stderr.write(f"{refusal.message}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
