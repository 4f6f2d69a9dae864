"""What a newcomer gets wrong: each mistake has a message that says what to do.

The rows are mistakes with the adapters. The tests of the core have those with its own objects, and
the page Troubleshooting is checked with what it shows.
"""

import gc
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from firecrawl_interact import adapters, core

pytestmark = pytest.mark.enable_socket

ID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"

MISTAKES = {
    "a name of core from adapters": (
        "from firecrawl_interact.adapters import DeleteSession",
        "ImportError: DeleteSession is in firecrawl_interact.core: import it from there",
    ),
    "a key before the transport": (
        "DeleteSession('fc-test', transport)",
        "InvalidApiKeyError: an API key is a str or None, not InMemoryTransport",
    ),
    "plain http": (
        "Urllib3Transport('http://api.firecrawl.dev')",
        r"ValueError: .* use https, or allow plain http \(allow_plain_http, ",
    ),
    "the old version": (
        "Urllib3Transport('https://api.firecrawl.dev/v1')",
        "ValueError: api_url ends with /v1, and the library speaks /v2: leave it out",
    ),
    "no scheme": (
        "Urllib3Transport('api.firecrawl.dev')",
        "ValueError: api_url must start with https://, or with http:// on this machine",
    ),
    "a session's page": (
        f"Urllib3Transport('https://api.firecrawl.dev/v2/interact/{ID}')",
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
    "https of a port that speaks http": (
        "with LoopbackService(service) as loopback:\n"
        "    address = loopback.api_url.replace('http', 'https')\n"
        "    DeleteSession(Urllib3Transport(address), 'fc-test')(session_id)",
        "UnreachableError: .* let the service's address begin with http://",
    ),
    "nobody listens there": (
        "transport = Urllib3Transport('http://127.0.0.1:1')\n"
        "DeleteSession(transport, 'fc-test', retry=RetryPolicy(max_attempts=1))(session_id)",
        "UnreachableError: .* 127.0.0.1:1: .* Delete it again: a retry is safe",
    ),
    "with instead of async with": (
        "with awaited.on_exit(session_id): pass",
        "RuntimeWarning: .* was never entered by `with`, or `async with`",
    ),
    "an opener that must be awaited": (
        "async def opens(): pass\nwith delete_session.opening(opens): pass",
        "TypeError: .* use AsyncDeleteSession.opening, or a function that blocks",
    ),
    "no await": (
        "awaited(session_id)",
        "RuntimeWarning: coroutine 'AsyncDeleteSession.__call__' was never awaited",
    ),
    "a database as folder": (
        "FileJournal('postgresql://127.0.0.1/jobs')",
        "ValueError: .* For a postgresql:// URL: PostgresJournal",
    ),
    "a folder as database": (
        "PostgresJournal('open-sessions')",
        "ValueError: database must be a postgresql:// URL",
    ),
    "a class of a fault": ("service.queue(NoResponse)", r"such as NoResponse\(\)"),
    "one key of a fake": ("FakeService('fc-test')", "FakeServiceError: api_keys must be a list"),
    "a fake behind no socket": (
        "LoopbackService(service).api_url",
        "FakeServiceError: .* use it in a `with` block",
    ),
}


def names() -> dict[str, object]:
    """Return what a newcomer has already."""
    service = adapters.FakeService(["fc-test", "fc-other"])
    transport = adapters.InMemoryTransport(service)
    public = {name: getattr(of, name) for of in (core, adapters) for name in of.__all__}
    return public | {
        "service": service,
        "transport": transport,
        "delete_session": core.DeleteSession(transport, "fc-test"),
        "awaited": core.AsyncDeleteSession(adapters.AsyncInMemoryTransport(service), "fc-test"),
        "session_id": service.open_session(),
    }


def told(code: str) -> Iterator[str]:
    """Run what a newcomer writes, and return in words what is raised or warned of."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            exec(code, names())  # noqa: S102 - a row of this file
        except Exception as error:
            yield f"{type(error).__name__}: {error}"
        gc.collect()
    for warning in warned:
        yield f"{warning.category.__name__}: {warning.message}"


@pytest.mark.parametrize(("code", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_has_a_message_that_says_what_to_do(
    code: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIRECRAWL_API_KEY", raising=False)
    assert re.search(words, "\n".join(told(code)), re.DOTALL)
