"""The reference has each public name once, in the package that users import it from."""

import re

import pytest

import firecrawl_interact
from firecrawl_interact import core
from firecrawl_interact.adapters import conformance

from .pages import text_of

DOCUMENTED = re.compile(
    r"^ *\.\. (?:auto(?:class|exception|function)|py:(?:data|type)):: (\w+)(?:\(\))?$"
    r"(?!\n *:no-index:)",
    re.MULTILINE,
)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("package", {*firecrawl_interact.__all__, "Request", "Response"}),
        ("core", {*core.__all__} - {*dir(firecrawl_interact)}),
        ("conformance", {*conformance.__all__}),
    ],
)
def test_each_public_name_has_its_place(page: str, names: set[str]) -> None:
    assert sorted(DOCUMENTED.findall(text_of(f"docs/reference/{page}.md"))) == sorted(names)
