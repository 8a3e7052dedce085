"""The engine as a child process: what it sees of our environment, whether it lives, how it died."""

import os
import signal
from pathlib import Path

from mission_control.core.settings import inherited

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def environment(sources: list[Path], home: Path) -> dict[str, str]:
    """All that the engine may see of our environment: no key, no address, no setting of ours."""
    return {
        "LANG": "C.UTF-8",
        **inherited("PATH", "LANG", *_CERTIFICATES),
        "HOME": str(home),
        "TMPDIR": str(home),
        **({"PYTHONPATH": os.pathsep.join(map(str, sources))} if sources else {}),
        "PYTHONUTF8": "1",
        # A resumed search must walk through sets in the same order as before.
        "PYTHONHASHSEED": "0",
    }


def is_running(pid: int) -> bool:
    """Ask the kernel, since our event loop may not have run when the process died."""
    if not hasattr(os, "waitid"):
        return True
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def cause_of_death(status: int | None) -> str:
    if status is None:
        return "it stopped answering"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit code {status}"
