"""`python -m benchmarks [NAME …]`: run the measurements, one after the other, and tell the worst end."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main(chosen: list[str]) -> int:
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.stderr.write(
            f"No such benchmark: {', '.join(unknown)}. There are: {', '.join(NAMES)}\n"
        )
        return 2
    worst = 0
    for name in chosen or NAMES:
        sys.stdout.write(f"\n{name}\n")
        sys.stdout.flush()
        ended = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False)
        worst = max(worst, abs(ended.returncode))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
