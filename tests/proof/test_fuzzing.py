"""What reads bytes from outside reads them as plain readers do that share none of its code.

Each looks at twice as many examples as in `make test`, and at new ones each time. `make proof
MINUTES=30` goes on for so long. What that finds becomes an example (`@example`).
"""

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from time import monotonic

import pytest
from hypothesis import settings

from firecrawl_interact.adapters.http.framing import ResponseParser
from firecrawl_interact.core import wire

from ..adapters import test_framing
from ..core import test_fuzzed_responses
from ..made_up_responses import shares

SECONDS = 30 * float(os.environ.get("PROOF_MINUTES") or 0)  # for each; two run side by side
PROFILE = settings(max_examples=350, derandomize=False)


@pytest.mark.parametrize(
    "fuzz",
    [partial(test_framing.fuzz, ResponseParser), partial(test_fuzzed_responses.fuzz, wire)],
    ids=["HTTP responses", "the service's JSON"],
)
def test_fuzzing_finds_nothing_in(
    fuzz: Callable[[settings], Counter[str]], record_property: Callable[[str, object], None]
) -> None:
    end = monotonic() + SECONDS
    seen = fuzz(PROFILE)
    while monotonic() < end:
        seen += fuzz(PROFILE)
    record_property("fuzzed", shares(seen))
