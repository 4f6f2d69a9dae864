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
EXTRAS = ("", *PROJECT["optional-dependencies"])
FAMILY = re.compile(r"MIT|BSD|Apache|LGPL|PSF|Python Software Foundation")


def rows(columns: int) -> list[list[str]]:
    """The table with so many columns, without its head."""
    table = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table if len(row) == columns][2:]


STATED = {row[0].partition("[")[0]: row[-1] for row in [*rows(4), *rows(3)]}


def needed(name: str, extras: tuple[str, ...]) -> Iterator[str]:
    """The libraries that an installation of this one brings, directly or not."""
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            yield canonicalize_name(requirement.name)
            yield from needed(requirement.name, ("", *requirement.extras))


INSTALLED = sorted(set(needed("firecrawl-interact", EXTRAS)))


def families(words: str) -> set[str]:
    return {found.replace("Python Software Foundation", "PSF") for found in FAMILY.findall(words)}


def test_it_names_what_the_project_asks_for_and_from_which_version() -> None:
    extras = PROJECT["optional-dependencies"].items()
    asked = [("everything", line) for line in PROJECT["dependencies"]]
    asked += [(f"the extra `{extra}`", line) for extra, lines in extras for line in lines]
    named = [(row[1].partition(":")[0], f"{row[0]}>={row[2]}") for row in rows(4)]
    assert named == asked


def test_it_names_whatever_else_is_installed() -> None:
    assert set(INSTALLED) <= set(STATED)


@pytest.mark.parametrize("name", INSTALLED)
def test_the_licence_is_what_the_metadata_state(name: str) -> None:
    metadata = distribution(name).metadata
    expression = metadata.get_all("License-Expression", [])
    if expression:
        assert [STATED[name]] == expression
        return
    # Older releases say it in words of their own.
    classifiers = [line for line in metadata.get_all("Classifier", []) if "License" in line]
    words = [*metadata.get_all("License", []), *classifiers]
    found = families(" ".join(words))
    assert found
    assert found <= families(STATED[name])
