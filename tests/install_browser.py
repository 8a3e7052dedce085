"""`python -m tests.install_browser`: make sure that there is a Chromium for the browser tests."""

import os
import shutil
import subprocess
import sys

from tests.services import find_browser

APT = (
    ("apt-get", "update", "-qq"),
    ("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"),
)
PLAYWRIGHT = ((sys.executable, "-m", "playwright", "install", "chromium"),)


def main() -> int:
    ways = [PLAYWRIGHT]
    if os.geteuid() == 0 and shutil.which("apt-get"):
        ways.insert(0, APT)  # brings the libraries that a bare system lacks
    for way in ways:
        if find_browser():
            return 0
        for command in way:
            sys.stderr.write(f"Installing a browser for the tests: {' '.join(command)}\n")
            subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if find_browser():
        return 0
    sys.stderr.write(
        "No Chromium for the browser tests, and it could not be installed. Install the package "
        "chromium, or run `.venv/bin/playwright install --with-deps chromium`.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
