"""Child processes that do not outlive us, however we end."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
LINUX_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


def dies_with_us(number: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn` that makes the child end when we are killed. Linux alone can do it."""
    library, parent = LINUX_C_LIBRARY, os.getpid()
    if library is None:
        return None

    def ask_the_kernel() -> None:
        library.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_the_kernel
