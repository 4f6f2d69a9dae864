"""What people use to delete a session, each as its own documentation shows it."""

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import firecrawl
import httpx
import requests
import tenacity
from urllib3.util import Retry

from firecrawl_interact.adapters import Urllib3Transport
from firecrawl_interact.core import DeleteSession, DeleteSessionError

from ..proof.events import SESSION_ID
from . import careful_lines
from .wire import URL, Ends, EventLoop

TARGET = f"{URL}/v2/interact/{SESSION_ID}"
KEY = {"Authorization": "Bearer fc-test"}
SECONDS = 90
"""The timeout of a request where the caller chooses one. The service may take 70."""


class Caller(NamedTuple):
    name: str
    delete: Callable[[], Ends]


def callers() -> list[Caller]:
    """Return this library, and what people use instead of it."""
    retry = f"requests with urllib3 {version('urllib3')}'s `Retry(total=3)` for 429 and 5xx"
    official = f"firecrawl-py {version('firecrawl-py')}"
    return [
        Caller("this library, with its defaults", _this_library()),
        Caller(f"requests {version('requests')}: `requests.delete(...)`", _with_requests),
        Caller(retry, _with_retry()),
        Caller(
            f"httpx {version('httpx')} with tenacity {version('tenacity')}, which retries three"
            " times after any error",
            _with_tenacity(),
        ),
        Caller(f"{official}: `Firecrawl(...).delete_browser(...)`", _with_firecrawl()),
        Caller(f"{official}: `await AsyncFirecrawl(...)`, the same", _with_async_firecrawl()),
        Caller("`tests/rivals/careful_lines.py`: twenty careful lines", _with_careful_lines()),
    ]


def _this_library() -> Callable[[], Ends]:
    delete_session = DeleteSession(Urllib3Transport(URL), api_key="fc-test", random=lambda: 0.5)

    def delete() -> Ends:
        try:
            fate = delete_session(SESSION_ID).session_fate.name
        except DeleteSessionError as error:
            fate = error.session_fate.name
        return {"GONE": Ends.GONE, "UNTOUCHED": Ends.NOT_GONE, "UNKNOWN": Ends.UNKNOWN}[fate]

    return delete


def _read(status: int | None) -> Ends:
    """Read an error by its status, if it has one."""
    return Ends.PERHAPS_GONE if status in (404, 410) else Ends.ERROR


def _with_requests() -> Ends:
    try:
        requests.delete(TARGET, headers=KEY, timeout=SECONDS).raise_for_status()
    except requests.RequestException as error:
        return _read(None if error.response is None else error.response.status_code)
    return Ends.GONE


def _with_retry() -> Callable[[], Ends]:
    session = requests.Session()
    retry = Retry(total=3, backoff_factor=0.5, status_forcelist=[429, 500, 502, 503, 504])
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))

    def delete() -> Ends:
        try:
            session.delete(TARGET, headers=KEY, timeout=SECONDS).raise_for_status()
        except requests.RequestException as error:
            return _read(None if error.response is None else error.response.status_code)
        return Ends.GONE

    return delete


def _with_tenacity() -> Callable[[], Ends]:
    client = httpx.Client(headers=KEY, timeout=SECONDS)

    @tenacity.retry(
        stop=tenacity.stop_after_attempt(4),
        wait=tenacity.wait_exponential(multiplier=0.5, max=8),
        retry=tenacity.retry_if_exception_type(httpx.HTTPError),
        reraise=True,
    )
    def request() -> None:
        client.delete(TARGET).raise_for_status()

    def delete() -> Ends:
        try:
            request()
        except httpx.HTTPStatusError as error:
            return _read(error.response.status_code)
        except httpx.HTTPError:
            return Ends.ERROR
        return Ends.GONE

    return delete


def _with_firecrawl() -> Callable[[], Ends]:
    client = firecrawl.Firecrawl(api_key="fc-test", api_url=URL)

    def delete() -> Ends:
        try:
            deleted = client.delete_browser(SESSION_ID)
        except Exception as error:  # noqa: BLE001 - of four libraries
            return _read(getattr(error, "status_code", None))
        return Ends.GONE if deleted.success else Ends.PERHAPS_GONE

    return delete


def _with_async_firecrawl() -> Callable[[], Ends]:
    client = firecrawl.AsyncFirecrawl(api_key="fc-test", api_url=URL)

    async def delete() -> Ends:
        try:
            deleted = await client.delete_browser(SESSION_ID)
        except Exception as error:  # noqa: BLE001 - of four libraries
            return _read(getattr(error, "status_code", None))
        return Ends.GONE if deleted.success else Ends.PERHAPS_GONE

    def run() -> Ends:
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            return runner.run(delete())

    return run


def _with_careful_lines() -> Callable[[], Ends]:
    client = httpx.Client(headers=KEY)
    verdicts = {"gone": Ends.GONE, "not gone": Ends.NOT_GONE, "unknown": Ends.UNKNOWN}
    return lambda: verdicts[careful_lines.delete(client, TARGET)]
