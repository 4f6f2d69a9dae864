"""Changes core and `FileJournal` in thousands of small ways, and runs the tests on each.

    python -m tests.proof.mutants                         all of them
    python -m tests.proof.mutants --sample 200 --seed x   some of them; the seed says which
    python -m tests.proof.mutants retry files             those of some modules

Each mutant runs the tests that reach its line, the quickest first, until one fails. Those that no
test notices must be in `survivors.toml`, each with its reason, and nothing else may be there.

A mutant costs milliseconds: the tests are collected once, each mutant gets a fork of that process,
and there the code of the one function is replaced. What is executed with the module (constants,
defaults, classes) gets a fork of a process that has not imported the library yet.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from .mutant_runs import BROKEN, KILLED, ROOT, SURVIVED, run_all
from .mutations import Module, Mutant

SURVIVORS = Path(__file__).with_name("survivors.toml")
LEAST_KILLED = 0.98

Identity: TypeAlias = tuple[str, str, str, int]


def all_mutants() -> list[Mutant]:
    journals = [ROOT / "adapters" / f"{name}_journal.py" for name in ("file", "owned")]
    paths = [*sorted((ROOT / "core").glob("*.py")), *journals]
    return [
        mutant
        for path in paths
        if path.name != "__init__.py"  # It hands names on; a test compares them.
        for mutant in Module(path, ROOT).mutants
    ]


def known_survivors() -> set[Identity]:
    """Read which mutants may survive."""
    known = set()
    for entry in tomllib.loads(SURVIVORS.read_text(encoding="utf-8"))["survivor"]:
        if not entry["reason"]:
            raise SystemExit(f"this entry gives no reason: {entry}")
        known.add((entry["place"], entry["before"], entry["after"], entry.get("number", 1)))
    return known


def results_of(mutants: list[Mutant]) -> list[int]:
    """Run the tests on each mutant."""
    memory = "/dev/shm"  # noqa: S108 - the journals of the tests need no disk, and memory is quicker
    directory = memory if Path(memory).is_dir() else None
    with tempfile.TemporaryDirectory(dir=directory) as work:
        return run_all(mutants, Path(work))


def print_entries(heading: str, identities: Iterable[Identity]) -> None:
    """Print mutants as the list of survivors has them."""
    for place, before, after, number in identities:
        print(f"\n# {heading}\n[[survivor]]\nplace = {json.dumps(place)}")
        print(f"before = {json.dumps(before)}\nafter = {json.dumps(after)}")
        if number > 1:
            print(f"number = {number}")
        print(f"reason = {json.dumps('')}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", default="")
    wanted = parser.parse_args()
    os.chdir(ROOT)

    known = known_survivors()
    mutants = all_mutants()
    unknown = known - {mutant.identity for mutant in mutants}
    if wanted.modules:
        mutants = [one for one in mutants if one.module.name.split(".")[-1] in wanted.modules]
    if wanted.sample:
        mutants = random.Random(wanted.seed).sample(mutants, wanted.sample)  # noqa: S311

    if not mutants:
        parser.error("there are no such modules")
    results = list(zip(mutants, results_of(mutants), strict=True))
    survivors = [mutant for mutant, result in results if result == SURVIVED]
    noticed = [one for one, result in results if result == KILLED and one.identity in known]
    if wanted.sample:
        noticed = []  # All of them, and not some, are the check of the list.
    # A test can fail by chance on a busy machine: what is on the list must be noticed twice.
    again = list(zip(noticed, results_of(noticed) if noticed else [], strict=True))
    survivors += [mutant for mutant, result in again if result == SURVIVED]
    dead = {mutant.identity for mutant, result in again if result != SURVIVED}
    broken = {mutant.identity for mutant, result in results if result == BROKEN}
    alive = Counter(mutant.module.name for mutant in survivors)
    for name, total in Counter(mutant.module.name for mutant in mutants).items():
        print(f"{name}: {total - alive[name]} of {total} killed")
    killed = 1 - len(survivors) / len(mutants)
    print(f"{len(mutants)} mutants, {killed:.1%} killed, {len(survivors)} survive")

    surviving = {mutant.identity for mutant in survivors}
    new = surviving - known
    print_entries("no test notices this, and the list does not have it", sorted(new))
    print_entries("a test notices this: take it off the list", sorted(dead))
    print_entries("this is on the list, and is no mutant", sorted(unknown))
    print_entries("this could not be run", sorted(broken))
    too_few = killed < LEAST_KILLED and not (wanted.sample or wanted.modules)
    if too_few:
        print(f"fewer than {LEAST_KILLED:.0%} are killed")
    return 1 if new or dead or unknown or broken or too_few else 0


if __name__ == "__main__":
    sys.exit(main())
