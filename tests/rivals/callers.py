"""What people use to delete a session, each as its own documentation shows it."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version

import firecrawl  # type: ignore[import-untyped]  # it has no types
import httpx
import requests
import tenacity  # type: ignore[import-not-found]  # it is in the environment of `make rivals` alone
from urllib3.util import Retry

from firecrawl_interact.adapters import Urllib3Transport
from firecrawl_interact.core import DeleteSession, DeleteSessionError, SessionFate

from ..proof.events import SESSION_ID
from . import careful_lines
from .wire import URL, Ends

TARGET = f"{URL}/v2/interact/{SESSION_ID}"
KEY = {"Authorization": "Bearer fc-test"}
SECONDS = 90
"""The timeout of a request where the caller chooses one. The service may take 70."""


def callers() -> dict[str, Callable[[], Ends]]:
    """Return this library, and what people use instead of it, each under its name."""
    delete_session = DeleteSession(Urllib3Transport(URL), api_key="fc-test", random=lambda: 0.5)
    retrying_session = requests.Session()
    retry = Retry(total=3, backoff_factor=0.5, status_forcelist=[429, 500, 502, 503, 504])
    retrying_session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    client = httpx.Client(headers=KEY, timeout=SECONDS)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(4),
        wait=tenacity.wait_exponential(multiplier=0.5, max=8),
        retry=tenacity.retry_if_exception_type(httpx.HTTPError),
        reraise=True,
    )
    official = firecrawl.Firecrawl(api_key="fc-test", api_url=URL)
    awaited = firecrawl.AsyncFirecrawl(api_key="fc-test", api_url=URL)
    to_firecrawl = httpx.Client(headers=KEY)

    def send(session: requests.Session) -> None:
        session.delete(TARGET, headers=KEY, timeout=SECONDS).raise_for_status()

    def carefully() -> Ends:
        return Ends[careful_lines.delete(to_firecrawl, TARGET).upper().replace(" ", "_")]

    with_requests = f"requests {version('requests')}: `requests.delete(...)`"
    with_retry = f"requests with urllib3 {version('urllib3')}'s `Retry(total=3)` for 429 and 5xx"
    with_tenacity = f"httpx {version('httpx')} with tenacity {version('tenacity')}"
    with_tenacity += ", which retries three times after any error"
    with_firecrawl = f"firecrawl-py {version('firecrawl-py')}"
    others: dict[str, Callable[[], object]] = {
        with_requests: lambda: send(requests.Session()),
        with_retry: lambda: send(retrying_session),
        with_tenacity: lambda: retrying(lambda: client.delete(TARGET).raise_for_status()),
        f"{with_firecrawl}: `Firecrawl(...).delete_browser(...)`": lambda: official.delete_browser(
            SESSION_ID
        ),
        f"{with_firecrawl}: `await AsyncFirecrawl(...)`, the same": lambda: asyncio.run(
            awaited.delete_browser(SESSION_ID)
        ),
    }
    return {
        "this library, with its defaults": lambda: _fate(delete_session),
        **{name: _ends(delete) for name, delete in others.items()},
        "`tests/rivals/careful_lines.py`: twenty careful lines": carefully,
    }


def _fate(delete_session: DeleteSession) -> Ends:
    try:
        fate = delete_session(SESSION_ID).session_fate
    except DeleteSessionError as error:
        fate = error.session_fate
    return Ends.NOT_GONE if fate is SessionFate.UNTOUCHED else Ends[fate.name]


def _ends(delete: Callable[[], object]) -> Callable[[], Ends]:
    """Read what is returned as a success, unless it denies that, and an exception as an error."""

    def read() -> Ends:
        try:
            deleted = delete()
        except Exception as error:  # Their libraries raise exceptions of five packages.
            response = getattr(error, "response", None)
            status = getattr(error if response is None else response, "status_code", None)
            return Ends.PERHAPS_GONE if status in (404, 410) else Ends.ERROR
        return Ends.GONE if getattr(deleted, "success", True) else Ends.PERHAPS_GONE

    return read
