"""What a newcomer gets wrong: each mistake has a message that says what to do.

The rows are mistakes with the adapters. The tests of the core have those with its own objects, and
the page Troubleshooting is checked with what it shows.
"""

import re
from pathlib import Path

import pytest

from firecrawl_interact import adapters, core

MISTAKES = {
    "a name of core from adapters": (
        "from firecrawl_interact.adapters import DeleteSession",
        "ImportError: DeleteSession is in firecrawl_interact.core: import it from there",
    ),
    "the old version": (
        "Urllib3Transport('https://api.firecrawl.dev/v1')",
        "ValueError: api_url ends with /v1, and the library speaks /v2: leave it out",
    ),
    "a session's page": (
        "Urllib3Transport('https://api.firecrawl.dev/v2/interact/0199a7c4')",
        "ValueError: api_url must be the service's address alone: leave out /v2 and the rest",
    ),
    "a port that cannot be": (
        "Urllib3Transport('https://api.firecrawl.dev:http')",
        "ValueError: api_url must name a host, and a port from 1 to 65535 or none",
    ),
    "a password in the address": (
        "Urllib3Transport('https://me:secret@api.firecrawl.dev')",
        "ValueError: .* pass the key as api_key",
    ),
    "no address": ("Urllib3Transport(None)", "TypeError: api_url must be a str, not NoneType"),
    "an opener that must be awaited": (
        "async def opens(): pass\nwith delete_session.opening(opens): pass",
        "TypeError: .* use AsyncDeleteSession.opening, or a function that blocks",
    ),
    "a database as folder": (
        "FileJournal('postgresql://127.0.0.1/jobs')",
        "ValueError: .* For a postgresql:// URL: PostgresJournal",
    ),
    "a folder as database": (
        "PostgresJournal('open-sessions')",
        "ValueError: database must be a postgresql:// URL",
    ),
}

ERRORS = (ImportError, adapters.FakeServiceError, TypeError, ValueError)


def names() -> dict[str, object]:
    """Return what a newcomer has already."""
    service = adapters.FakeService()
    delete_session = core.DeleteSession(adapters.InMemoryTransport(service), "fc-test")
    public = {name: getattr(of, name) for of in (core, adapters) for name in of.__all__}
    return public | {"service": service, "delete_session": delete_session}


@pytest.mark.parametrize(("code", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_has_a_message_that_says_what_to_do(
    code: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ERRORS) as raised:
        exec(code, names())  # noqa: S102 - a row of this file
    assert re.search(words, f"{type(raised.value).__name__}: {raised.value}", re.DOTALL)
