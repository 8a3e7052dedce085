"""`make mutants`: makes the mutants, tries them, and says which of them no test has noticed."""

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import run
from typing import Any

from tests.mutants.changes import NAMED, NamedSurvivors
from tests.mutants.groups import GROUPS, MUTATED, REPOSITORY, Group
from tests.mutants.making import Mutant, make_mutants

AT_ONCE = 2
NICE = ("nice", "-n", "19")  # it takes hours
FEWEST_KILLED = 0.9
TEST_SECONDS = 60  # a mutant may wait for ever


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    tests: int
    noticed_by: str | None


def main() -> int:
    options = _options()
    named = NamedSurvivors.read()
    is_good = True
    for group in GROUPS:
        wanted = make_mutants(group, only=options.only)
        if not wanted:
            continue
        counted = [each for each in wanted if each.change.kind is None]
        sample = _sample(counted, options.share, options.seed)
        left_out = Counter(each.change.kind for each in wanted if each.change.kind)
        print(f"{group.name}: {len(sample)} of {len(counted)} mutants", dict(left_out), flush=True)
        verdicts = _try_all(group, sample)
        is_good &= _report(group, verdicts, named)
    return 0 if is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the mutants of each module")
    parser.add_argument("--seed", type=int, default=1, help="which ones, when not all")
    parser.add_argument(
        "--only", default="", help="part of the name of a module, such as api.jobs.work"
    )
    return parser.parse_args()


def _sample(mutants: Sequence[Mutant], share: float, seed: int) -> list[Mutant]:
    by_module: dict[str, list[Mutant]] = {}
    for each in mutants:
        by_module.setdefault(each.name.rpartition(".")[0], []).append(each)
    chosen = random.Random(seed)
    sample = [
        each
        for ones in by_module.values()
        for each in chosen.sample(ones, max(1, round(len(ones) * share)))
    ]
    chosen.shuffle(sample)
    return sample


def _try_all(group: Group, mutants: Sequence[Mutant]) -> list[Verdict]:
    parts = [mutants[at::AT_ONCE] for at in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(_try, [group] * AT_ONCE, range(AT_ONCE), parts)
    return [verdict for verdicts in found for verdict in verdicts]


def _try(group: Group, part: int, mutants: Sequence[Mutant]) -> list[Verdict]:
    plan, results = (MUTATED / group.name / f"{part}.{end}" for end in ("plan", "results"))
    results.write_text("")
    left = [each.name for each in mutants]
    while left:
        plan.write_text(json.dumps(left))
        before = len(left)
        code = _session(group, plan, results)
        seen = {row["mutant"] for row in _rows(results)}
        left = [each for each in left if each not in seen]
        if left and len(left) == before and code not in (0, 1):
            raise SystemExit(f"The tests of {group.name} do not run; see {_log_of(plan)}.")
        if left:  # it ended the whole session, which nobody would overlook
            row = {"mutant": left.pop(0), "tests": 1, "noticed_by": "the end of the session"}
            results.write_text(results.read_text() + json.dumps(row) + "\n")
    rows = {row["mutant"]: row for row in _rows(results)}
    return [
        Verdict(each, rows[each.name]["tests"], rows[each.name]["noticed_by"]) for each in mutants
    ]


def _session(group: Group, plan: Path, results: Path) -> int:
    paths = [REPOSITORY / "tests" / each for each in group.tests]
    command = [
        *NICE, sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.session",
        "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist", f"--timeout={TEST_SECONDS}", "-o", "timeout_func_only=true",
        "-m", "not slow", "-k", "not postgres", *(str(path) for path in paths if path.exists()),
    ]  # fmt: skip
    environment = os.environ | {
        "PYTHONPATH": f"{MUTATED / group.name / 'src'}:{REPOSITORY}",
        "MUTANTS_PLAN": str(plan),
        "MUTANTS_RESULTS": str(results),
    }
    with _log_of(plan).open("w") as log:
        ended = run(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, check=False)
    return ended.returncode


def _log_of(plan: Path) -> Path:
    return plan.with_suffix(".log")


def _rows(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()]


def _report(group: Group, verdicts: Sequence[Verdict], named: NamedSurvivors) -> bool:
    survivors = [each for each in verdicts if each.noticed_by is None]
    unnamed = [each for each in survivors if named.reason_for(each.mutant.change) is None]
    killed = len(verdicts) - len(survivors)
    share = killed / len(verdicts)
    for each in unnamed:
        change = each.mutant.change
        print(f"\n[[survivor]]  # met by {each.tests} tests; {each.mutant.name}")
        for name, text in (("function", change.function), ("was", change.was), ("now", change.now)):
            print(f"{name} = {json.dumps(text, ensure_ascii=False)}")
        print('reason = ""')
    said = "all named" if not unnamed else f"{len(unnamed)} of them not named in {NAMED.name}"
    print(f"{group.name}: {killed} killed ({share:.1%}), {len(survivors)} survivors, {said}\n")
    return share >= FEWEST_KILLED and not unnamed


if __name__ == "__main__":
    sys.exit(main())
