"""The playbooks that ship with SuperOptiX."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import superoptix

from engine_host.errors import EngineFailure
from engine_host.wire import Reply
from mission_control_protocol import Marketplace, MarketplaceListed

_NAME = re.compile(r"[a-z0-9_-]{1,120}")


def answer(request: Marketplace, reply: Reply) -> None:
    shipped = _shipped()
    text = None
    if request.name is not None:
        if not _NAME.fullmatch(request.name) or request.name not in shipped:
            raise EngineFailure("playbook", "SuperOptiX ships no playbook of that name.")
        text = shipped[request.name].read_text(encoding="utf-8")
    reply.finish(MarketplaceListed(id=request.id, names=sorted(shipped), playbook=text))


@cache
def _shipped() -> dict[str, Path]:
    """By name; where two folders hold one of the same name, the folder is added to it."""
    root = Path(superoptix.__file__).parent / "agents"
    named = [
        (path.stem.replace("_playbook", ""), path) for path in sorted(root.rglob("*playbook*.yaml"))
    ]
    count = Counter(name for name, _ in named)
    return {
        name if count[name] == 1 else f"{name}_{path.relative_to(root).parts[0]}": path
        for name, path in named
    }
