"""The page lists what the kit holds a transport to: all of it, and nothing else."""

import re
from pathlib import Path

from firecrawl_interact.adapters.conformance import CASES
from firecrawl_interact.core import transport
from firecrawl_interact.core.transport import TransportError

TEXT = (Path(__file__).parents[2] / "docs/transport-promises.md").read_text(encoding="utf-8")


def test_the_promises_are_those_of_the_kit_each_of_them_once() -> None:
    _, _, rest = TEXT.partition("\n## The promises\n")
    section, _, _ = rest.partition("\n## ")
    promises = re.findall(r"^- (.+)$", section, re.MULTILINE)
    assert sorted(promises) == sorted({case.promise for case in CASES})


def test_every_kind_of_failure_has_a_row_that_says_what_may_have_happened() -> None:
    rows = re.findall(r"^\| .+ \| `(\w+Error)`.* \| .+ \| (.+) \|$", TEXT, re.MULTILINE)
    kinds = {kind.__name__ for kind in TransportError.__subclasses__()}
    assert {kind for kind, _ in rows} == kinds
    for kind, effect in rows:
        assert (effect == "Nothing.") is not getattr(transport, kind).sent
