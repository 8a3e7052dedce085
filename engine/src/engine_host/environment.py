"""What surrounds the engine: a scrubbed environment, resource limits, a private directory, the heavy imports."""

# pyright: reportUnusedImport=false

import contextlib
import logging
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

_SECRET_OR_ROUTE = re.compile(
    r"(API_KEY|API_BASE|BASE_URL|_TOKEN|SECRET|PASSWORD|CREDENTIALS)|^(DSPY|LITELLM|MLFLOW|WANDB|AWS|AZURE)_"
)
_FIXED = {
    "SUPEROPTIX_TELEMETRY": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_MODE": "PRODUCTION",  # otherwise LiteLLM reads any .env it finds
    "HF_HUB_OFFLINE": "1",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "COLUMNS": "400",
    "TQDM_DISABLE": "1",
    "TQDM_MININTERVAL": "60",  # where DSPy insists on a progress bar
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_GIB = 1024**3
_loading = threading.Lock()
_loaded = threading.Event()
_private: list[Path] = []


def confine() -> None:
    """Scrub the environment, set limits, and end cleanly on SIGTERM."""
    for name in list(os.environ):
        if _SECRET_OR_ROUTE.search(name):
            del os.environ[name]
    os.environ.update(_FIXED)
    os.environ["DSPY_CACHEDIR"] = str(private_directory() / "dspy")
    os.environ["HOME"] = str(private_directory())  # SuperOptiX and others leave files in ~
    os.umask(0o077)
    warnings.simplefilter("ignore")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s %(message)s")
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 4096)
    _limit(resource.RLIMIT_AS, 8 * _GIB)
    signal.signal(signal.SIGTERM, _on_terminate)


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (value, hard))


def private_directory() -> Path:
    """A directory of this process alone (0700), removed when it ends in order."""
    if not _private:
        _private.append(Path(tempfile.mkdtemp(prefix="engine-host-")))
    return _private[0]


def end(status: int) -> None:
    """Leave at once: threads of DSPy's executors may still wait on the network."""
    for directory in _private:
        shutil.rmtree(directory, ignore_errors=True)
    os._exit(status)


def _on_terminate(_signal: int, _frame: FrameType | None) -> None:
    end(128 + signal.SIGTERM)


def load() -> None:
    """Import SuperOptiX and DSPy, once; every request waits for it."""
    with _loading:
        if _loaded.is_set():
            return
        # numpy must be complete, and SuperOptiX imported, before DSPy (3.3 and 3.4.0 break otherwise).
        import numpy.linalg  # noqa: F401, I001, PLC0415
        import superoptix  # noqa: F401, PLC0415
        import dspy  # noqa: F401, PLC0415

        from engine_host import vendor  # noqa: F401, PLC0415

        _never_pay_stragglers_twice()
        for name in ("dspy", "gepa", "optuna", "LiteLLM", "httpx"):
            # Their errors repeat whole conversations; ours say what is needed.
            logging.getLogger(name).setLevel(logging.CRITICAL)
        _loaded.set()


def _never_pay_stragglers_twice() -> None:
    """DSPy submits a slow item a second time after two minutes; our models have timeouts of their own."""
    from dspy.utils.parallelizer import ParallelExecutor  # noqa: PLC0415

    original = ParallelExecutor.__init__

    def without_resubmission(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.timeout = 0

    ParallelExecutor.__init__ = without_resubmission
