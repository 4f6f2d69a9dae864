"""The page about dependencies says what is installed, and under which licences."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]

PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ROWS = [[cell.strip() for cell in row.split("|")] for row in re.findall(r"^\|(.+)\|$", PAGE, re.M)]
ASKED_FOR = [row for row in ROWS if len(row) == 4][2:]
BROUGHT = [row for row in ROWS if len(row) == 3][2:]
STATED = {row[0].partition("[")[0]: row[-1] for row in [*ASKED_FOR, *BROUGHT]}


def needed(name: str, extras: tuple[str, ...]) -> Iterator[str]:
    """The libraries that an installation of this one brings, directly or not."""
    for requirement in map(Requirement, distribution(name).requires or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            yield canonicalize_name(requirement.name)
            yield from needed(requirement.name, ("", *requirement.extras))


INSTALLED = sorted(set(needed("firecrawl-interact", ("", *EXTRAS))))


def families(words: str) -> set[str]:
    short = words.replace("Python Software Foundation", "PSF")
    return set(re.findall(r"MIT|BSD|Apache|LGPL|PSF", short))


def test_it_names_what_the_project_asks_for_and_from_which_version() -> None:
    asked = [("everything", line) for line in PROJECT["dependencies"]]
    asked += [(f"the extra `{extra}`", line) for extra, lines in EXTRAS.items() for line in lines]
    assert [(row[1].partition(":")[0], f"{row[0]}>={row[2]}") for row in ASKED_FOR] == asked


def test_it_names_whatever_else_is_installed() -> None:
    assert set(INSTALLED) <= set(STATED)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_licence_is_what_the_metadata_state(name: str) -> None:
    metadata = distribution(name).metadata
    if expression := metadata.get_all("License-Expression", []):
        assert [STATED[name]] == expression
        return
    # Older releases say it in words of their own.
    classifiers = [line for line in metadata.get_all("Classifier", []) if "License" in line]
    found = families(" ".join([*metadata.get_all("License", []), *classifiers]))
    assert found
    assert found <= families(STATED[name])
