"""What a newcomer gets wrong: each mistake has a message that says what to do.

Those that the page Troubleshooting shows are checked with it.
"""

import gc
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
import urllib3

from firecrawl_interact import adapters, core

pytestmark = pytest.mark.enable_socket

ID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"
REFUSED = "InvalidSessionIdError: .* Pass each id alone, as the service gave it"
BLOCKING = r"Take Urllib3Transport\(\)"

IMPORTS = {
    "a name of core from adapters": (
        "from firecrawl_interact.adapters import DeleteSession",
        "ImportError: DeleteSession is in firecrawl_interact.core: import it from there",
    ),
    "a transport from core": (
        "from firecrawl_interact.core import Urllib3Transport",
        "ImportError: Urllib3Transport: transports and journals are in firecrawl_interact.adapters",
    ),
    "a journal from core": (
        "from firecrawl_interact.core import FileJournal",
        "ImportError: FileJournal: transports and journals are in firecrawl_interact.adapters",
    ),
    "an extra that is missing": (
        "sys.modules['psycopg'] = None\nPostgresJournal('postgresql://127.0.0.1:1/app')",
        r"ImportError: .*\[postgres\]",
    ),
}
KEYS = {
    "none": ("DeleteSession(transport)", "TypeError: .* missing .* argument: 'api_key'"),
    "before the transport": (
        "DeleteSession('fc-test', transport)",
        "InvalidApiKeyError: an API key is a str or None, not InMemoryTransport",
    ),
    "in headers": (
        "DeleteSession(transport, 'fc-test', headers={'Authorization': 'fc-test'})",
        "ValueError: headers: Authorization is for the library or its transport to set",
    ),
}
ADDRESSES = {
    "plain http": (
        "Urllib3Transport('http://api.firecrawl.dev')",
        r"ValueError: .* use https, or allow plain http \(allow_plain_http\)",
    ),
    "the old version": (
        "Urllib3Transport('https://api.firecrawl.dev/v1')",
        "ValueError: api_url ends with /v1, and the library speaks /v2: leave it out",
    ),
    "no scheme": (
        "Urllib3Transport('api.firecrawl.dev')",
        "ValueError: api_url must start with https://",
    ),
    "a session's page": (
        f"Urllib3Transport('https://api.firecrawl.dev/v2/interact/{ID}')",
        "ValueError: api_url must be the service's address alone: leave out /v2 and the rest",
    ),
    "a port that cannot be": (
        "Urllib3Transport('https://api.firecrawl.dev:http')",
        "ValueError: api_url must name a host, and a port from 1 to 65535 or none",
    ),
    "a password in it": (
        "Urllib3Transport('https://me:secret@api.firecrawl.dev')",
        "ValueError: .* pass the key as api_key",
    ),
    "None": ("Urllib3Transport(None)", "TypeError: api_url must be a str, not NoneType"),
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
}
IDS = {
    "with spaces": (f"delete_session(' {ID} ')", rf"{REFUSED}: .* spaces"),
    "two at once": (f"delete_session('{ID} {ID}')", rf"{REFUSED}: .* spaces"),
    "an address": (f"delete_session('https://x/v2/interact/{ID}')", rf"{REFUSED}: .* URL"),
    "an object": ("delete_session(SimpleNamespace(id=session_id))", r"Pass its \.id\."),
    "that no service makes": (
        "delete_session('session-unknown')",
        "ServiceUnavailableError: .* The id is not a UUID, .*: check the id",
    ),
    "a list of objects in a run": (
        "[outcome] = run([SimpleNamespace(id=session_id)])\nraise outcome",
        r"InvalidSessionIdError: .* Pass its \.id\.",
    ),
}
RUNS = {
    "one id": ("run(session_id)", "TypeError: .* for one session call DeleteSession"),
    "None": ("run(None)", "TypeError: session_ids must be an iterable of ids, not NoneType"),
    "an asynchronous iterable": (
        "async def ids():\n    yield session_id\nrun(ids())",
        "TypeError: .* AsyncDeleteManySessions takes that",
    ),
    "a generator for the second time": (
        "ids = (name for name in [session_id])\nlist(run(ids))\nlist(run(ids))",
        "RuntimeWarning: .* a generator that has ended: .* Make another one, or pass a list",
    ),
    "never iterated": (
        "run([session_id])",
        "RuntimeWarning: .* was never iterated: no session was destroyed",
    ),
    "left half-way": (
        "for outcome in run([session_id, service.open_session()]):\n    break",
        "RuntimeWarning: .* was left half-way: use `with`",
    ),
    "a class": (
        "DeleteManySessions(DeleteSession)",
        "delete_session must be of type DeleteSession",
    ),
    "a transport": (
        "DeleteManySessions(transport)",
        "TypeError: delete_session must be of type DeleteSession, not InMemoryTransport",
    ),
    "the awaited one": (
        "DeleteManySessions(awaited)",
        "TypeError: delete_session must be of type DeleteSession, not AsyncDeleteSession",
    ),
    "nobody at work": (
        "DeleteManySessions(delete_session, concurrency=0)",
        "ValueError: concurrency must be at least 1, not 0",
    ),
}
BLOCKS = {
    "no with": (
        "delete_session.on_exit(session_id)",
        "RuntimeWarning: on_exit.* was never entered: write `with`",
    ),
    "with instead of async with": (
        "with awaited.on_exit(session_id): pass",
        "RuntimeWarning: .* write `with`, or `async with`",
    ),
    "an opener that was called": (
        "delete_session.opening(service.open_session())",
        r"TypeError: open_session must be a function, such as lambda: .*, not a str",
    ),
    "an opener that must be awaited": (
        "async def opens(): pass\nwith delete_session.opening(opens): pass",
        "TypeError: .* use AsyncDeleteSession.opening, or a function that blocks",
    ),
    "no await": (
        "awaited(session_id)",
        "RuntimeWarning: coroutine 'AsyncDeleteSession.__call__' was never awaited",
    ),
}
OBJECTS = {
    "no transport": ("DeleteSession(api_key='fc-test')", "TypeError: .* argument: 'transport'"),
    "a class as transport": (
        "DeleteSession(InMemoryTransport, 'fc-test')",
        r"TypeError: .* not the class InMemoryTransport: pass InMemoryTransport\(\)",
    ),
    "an address as transport": (
        "DeleteSession('https://x', 'fc-test')",
        f"TypeError: .* {BLOCKING}",
    ),
    "an HTTP client as transport": (
        "DeleteSession(urllib3.PoolManager(), 'fc-test')",
        f"TypeError: .* {BLOCKING}",
    ),
    "an awaited transport": (
        "DeleteSession(AsyncInMemoryTransport(service), 'fc-test')",
        f"TypeError: .* {BLOCKING}.* AsyncDeleteSession takes those that are awaited",
    ),
    "a blocking transport": (
        "AsyncDeleteSession(transport, 'fc-test')",
        r"TypeError: .* Take AsyncioTransport\(\). DeleteSession takes those that block",
    ),
    "the class of a policy": (
        "delete_session(session_id, retry=RetryPolicy)",
        r"TypeError: retry .* not the class RetryPolicy: pass RetryPolicy\(\)",
    ),
    "a number as policy": (
        "delete_session(session_id, retry=3)",
        "TypeError: retry must be a RetryPolicy, not int",
    ),
    "no attempts": ("RetryPolicy(max_attempts=0)", "ValueError: max_attempts must be at least 1"),
    "a text for seconds": ("RetryPolicy(deadline='30')", "TypeError: deadline must be seconds"),
    "a folder as journal": (
        "DeleteSession(transport, 'fc-test', journal='open-sessions')",
        "TypeError: .* Take a FileJournal",
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
TABLES = {
    "import": IMPORTS,
    "key": KEYS,
    "address": ADDRESSES,
    "id": IDS,
    "run": RUNS,
    "block": BLOCKS,
    "object": OBJECTS,
}
ROWS = [
    pytest.param(code, words, id=f"{table}: {mistake}")
    for table, rows in TABLES.items()
    for mistake, (code, words) in rows.items()
]


def names() -> dict[str, object]:
    """Return what a newcomer has already."""
    service = adapters.FakeService(["fc-test", "fc-other"])
    transport = adapters.InMemoryTransport(service)
    delete_session = core.DeleteSession(transport, "fc-test")
    public = {name: getattr(of, name) for of in (core, adapters) for name in of.__all__}
    return public | {
        "SimpleNamespace": SimpleNamespace,
        "sys": sys,
        "urllib3": urllib3,
        "service": service,
        "transport": transport,
        "delete_session": delete_session,
        "awaited": core.AsyncDeleteSession(adapters.AsyncInMemoryTransport(service), "fc-test"),
        "run": core.DeleteManySessions(delete_session),
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


@pytest.mark.parametrize(("code", "words"), ROWS)
def test_a_mistake_has_a_message_that_says_what_to_do(
    code: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FIRECRAWL_API_KEY", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", psycopg)
    assert re.search(words, "\n".join(told(code)), re.DOTALL)
