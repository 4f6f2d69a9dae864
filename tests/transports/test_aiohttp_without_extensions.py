"""aiohttp's parser in pure Python, which it uses where its extensions are not built."""

import subprocess
import sys

import pytest

KIT = """
import os, sys
os.environ["AIOHTTP_NO_EXTENSIONS"] = "1"
import aiohttp.http_parser as parser
assert parser.HttpResponseParser is parser.HttpResponseParserPy
from firecrawl_interact.adapters import AiohttpTransport
from firecrawl_interact.adapters.conformance import check
print(check(AiohttpTransport, over=sys.argv[1]))
"""


@pytest.mark.parametrize("over", ["http", "https"])
def test_every_promise_is_kept_with_it(over: str) -> None:
    played = subprocess.run(
        [sys.executable, "-c", KIT, over], check=False, capture_output=True, text=True
    )
    assert played.returncode == 0, played.stderr
    assert "promises kept, 0 broken" in played.stdout
