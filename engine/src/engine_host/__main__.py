"""Starts the process: owns the real stdout first, then says `ready`, then loads what is heavy."""

import os
import sys


def _fix_hash_seed() -> None:
    """Start over with a fixed seed: a resumed search must walk through sets in the same order."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this very program, same process id


def _claim_stdout() -> int:
    """Keep the pipe for our messages; whatever libraries print goes to stderr from now on."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return pipe


def main() -> None:
    _fix_hash_seed()
    pipe = _claim_stdout()
    # Only after fd 1 is safe may anything else be imported.
    from engine_host import environment, serve  # noqa: PLC0415

    environment.confine()
    serve.serve(pipe)


if __name__ == "__main__":
    main()
