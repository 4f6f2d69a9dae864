"""What the suite finds over clients of httpx and of httpx2, blocking and awaited."""

import ssl
from typing import Any, ClassVar

import httpx
import httpx2
import pytest

from firecrawl_interact import AsyncHttpxTransport, HttpxTransport
from firecrawl_interact.adapters.conformance import TransportTests

pytestmark = [pytest.mark.enable_socket, pytest.mark.slow]


class Awaited(TransportTests):
    __test__ = False
    known: ClassVar[dict[str, str]] = {
        "test_calls_in_a_row_use_one_connection": "each call has a connection of its own",
        "test_a_kept_connection_that_ends_as_we_write_is_stale": "it keeps no connection",
        "test_its_pickle_sends_too[http]": "a client cannot be pickled",
        "test_netrc_and_the_proxy_for_plain_http_stay_out[http]": "the client's proxies are used",
    }
    transport_class: Any = AsyncHttpxTransport
    client_class: Any

    def make_transport(self, api_url: str, ssl_context: ssl.SSLContext | None = None) -> Any:
        client = self.client_class(verify=ssl_context or True)
        return self.transport_class(api_url, client=client)


class Blocking(Awaited):
    __test__ = False
    hangs = "test_a_connect_that_hangs_was_not_sent"
    known = Awaited.known | {
        hangs: "each address has the whole time",
        **{
            f"test_a_timeout_holds_even_while_bytes_arrive[{scheme}-{fault}]": "so has each read"
            for scheme in ("http", "https")
            for fault in ("a dripped head", "dripped interim responses")
        },
    }
    transport_class = HttpxTransport


class TestClientOfHttpx(Blocking):
    client_class = httpx.Client


class TestClientOfHttpx2(Blocking):
    client_class = httpx2.Client


class TestAsyncClientOfHttpx(Awaited):
    client_class = httpx.AsyncClient


class TestAsyncClientOfHttpx2(Awaited):
    client_class = httpx2.AsyncClient
