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
    official = f"firecrawl-py {version('firecrawl-py')}"
    return {
        "this library, with its defaults": _this_library(),
        f"requests {version('requests')}: `requests.delete(...)`": _ends(_with_requests),
        f"requests with urllib3 {version('urllib3')}'s `Retry(total=3)` for 429 and 5xx": _ends(
            _with_retry()
        ),
        f"httpx {version('httpx')} with tenacity {version('tenacity')}, which retries three times"
        " after any error": _ends(_with_tenacity()),
        f"{official}: `Firecrawl(...).delete_browser(...)`": _ends(_with_firecrawl()),
        f"{official}: `await AsyncFirecrawl(...)`, the same": _ends(_with_async_firecrawl()),
        "`tests/rivals/careful_lines.py`: twenty careful lines": _with_careful_lines(),
    }


def _this_library() -> Callable[[], Ends]:
    delete_session = DeleteSession(Urllib3Transport(URL), api_key="fc-test", random=lambda: 0.5)

    def delete() -> Ends:
        try:
            fate = delete_session(SESSION_ID).session_fate
        except DeleteSessionError as error:
            fate = error.session_fate
        return Ends.NOT_GONE if fate is SessionFate.UNTOUCHED else Ends[fate.name]

    return delete


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


def _with_requests() -> None:
    requests.delete(TARGET, headers=KEY, timeout=SECONDS).raise_for_status()


def _with_retry() -> Callable[[], object]:
    session = requests.Session()
    retry = Retry(total=3, backoff_factor=0.5, status_forcelist=[429, 500, 502, 503, 504])
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
    return lambda: session.delete(TARGET, headers=KEY, timeout=SECONDS).raise_for_status()


def _with_tenacity() -> Callable[[], object]:
    client = httpx.Client(headers=KEY, timeout=SECONDS)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(4),
        wait=tenacity.wait_exponential(multiplier=0.5, max=8),
        retry=tenacity.retry_if_exception_type(httpx.HTTPError),
        reraise=True,
    )
    return lambda: retrying(lambda: client.delete(TARGET).raise_for_status())


def _with_firecrawl() -> Callable[[], object]:
    client = firecrawl.Firecrawl(api_key="fc-test", api_url=URL)
    return lambda: client.delete_browser(SESSION_ID)


def _with_async_firecrawl() -> Callable[[], object]:
    client = firecrawl.AsyncFirecrawl(api_key="fc-test", api_url=URL)
    return lambda: asyncio.run(client.delete_browser(SESSION_ID))


def _with_careful_lines() -> Callable[[], Ends]:
    client = httpx.Client(headers=KEY)
    return lambda: Ends[careful_lines.delete(client, TARGET).upper().replace(" ", "_")]
