"""Who holds a lease: a process of some machine, which may be known to be gone."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def this_process() -> str:
    """A name for a lease: this host, this process, and what tells two leases of it apart."""
    return f"{this_host()}:{os.getpid()}:{uuid4().hex[:8]}"


def this_host() -> str:
    """This machine and process namespace: where a process number means something."""
    namespace = "-"
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return f"{socket.gethostname()}/{namespace}"


def is_dead_here(owner: str | None) -> bool:
    """True when the holder of a lease was a process of this machine that is gone."""
    if owner is None:
        return False
    host, _, rest = owner.partition(":")
    if host != this_host():
        return False
    try:
        os.kill(int(rest.split(":")[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
