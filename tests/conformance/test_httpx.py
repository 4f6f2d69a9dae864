"""What the suite finds over a program's client of httpx and of httpx2, blocking and awaited."""

import ssl
from types import ModuleType

import httpx
import httpx2
import pytest

from firecrawl_interact import AsyncHttpxTransport, HttpxTransport
from firecrawl_interact.adapters.conformance import TransportTests

pytestmark = [pytest.mark.enable_socket, pytest.mark.slow]

KNOWN = {
    "test_calls_in_a_row_use_one_connection": "each call has a connection of its own",
    "test_a_kept_connection_that_ends_as_we_write_is_stale": "it keeps no connection",
    "test_its_pickle_sends_too[http]": "a client cannot be pickled",
    "test_netrc_and_the_proxy_for_plain_http_stay_out[http]": "the client's proxies are used",
}


class Blocking(TransportTests):
    __test__ = False
    package: ModuleType
    known = KNOWN | {
        "test_a_connect_that_hangs_was_not_sent_however_many_addresses_there_are": (
            "each address has the whole time"
        )
    }

    def make_transport(
        self, api_url: str, ssl_context: ssl.SSLContext | None = None
    ) -> HttpxTransport:
        client = self.package.Client(verify=ssl_context or True)
        return HttpxTransport(api_url, client=client)


class Awaited(TransportTests):
    __test__ = False
    package: ModuleType
    known = KNOWN

    def make_transport(
        self, api_url: str, ssl_context: ssl.SSLContext | None = None
    ) -> AsyncHttpxTransport:
        client = self.package.AsyncClient(verify=ssl_context or True)
        return AsyncHttpxTransport(api_url, client=client)


class TestClientOfHttpx(Blocking):
    package = httpx


class TestClientOfHttpx2(Blocking):
    package = httpx2


class TestAsyncClientOfHttpx(Awaited):
    package = httpx


class TestAsyncClientOfHttpx2(Awaited):
    package = httpx2
