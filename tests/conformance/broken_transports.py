"""Transports as somebody in a hurry writes them.

pytest plays them as a file of its own, which `test_kit.py` starts.
"""

import asyncio
import http.client
import netrc
import os
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote, urlsplit

import pytest

from firecrawl_interact import SystemTime
from firecrawl_interact.adapters.conformance import TransportTests
from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)
from firecrawl_interact.core.transport import MAX_BODY_BYTES

from .found import FOUND, found_by

pytestmark = pytest.mark.enable_socket


@found_by("test_a_timeout_holds_even_while_bytes_arrive[http-a dripped body]", "timeout is 1 s")
@found_by("test_a_connect_that_hangs_was_not_sent", "timeout is")
@found_by("test_8_interim_responses_are_skipped[http-103 Early Hints]", "with status 103")
@found_by("test_header_names_are_lower_case_and_lines_joined", "'a, b'")
@found_by("test_what_is_no_response_of_http_1_is_refused[http-a switch of protocols]", "status 101")
@found_by("test_a_response_without_a_clear_end_is_refused[http-no length]", "status 200")
@found_by("test_what_is_too_large_is_refused_and_not_held[http-a body of 50 MB]", "status 200")
@found_by("test_a_compressed_body_is_refused_and_not_decoded", "BadResponseError is due")
@found_by("test_what_ends_early_is_lost_and_is_not_retried", "says stale of a new connection")
@found_by("test_calls_in_a_row_use_one_connection", "[1, 2, 3, 4, 5")
@found_by("test_a_refused_connection_was_not_sent", "transient of ConnectFailedError")
@found_by("test_headers_go_out_as_they_are_and_no_body_does", "PASSED")
@found_by("test_closing_leaves_no_connection_and_no_thread[http-a timeout]", "PASSED")
class Naive(SystemTime):
    """http.client, with a connection for each call. It does without what the subclasses get wrong.

    Its timeout is one for each read, and it takes a body of any size and coding.
    """

    def __init__(self, api_url: str, context: ssl.SSLContext | None) -> None:
        self.url, self.context = urlsplit(api_url), context

    def connection(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self.url.hostname or "", self.url.port
        if self.context is None:
            return http.client.HTTPConnection(host, port, timeout=timeout)
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=self.context)

    def send(self, request: Request, timeout: float) -> Response:
        connection = self.connection(timeout)
        try:
            connection.connect()
        except OSError as error:
            raise ConnectFailedError(str(error), transient=False) from error
        try:
            path = self.url.path.rstrip("/") + request.path
            headers = {"Content-Length": "0", **request.headers}
            connection.request(request.method, path, headers=headers)
            response = connection.getresponse()
            return Response(response.status, lowered(response), response.read())
        except TimeoutError as error:
            raise TimedOutError("no response in time") from error.with_traceback(None)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConnectionLostError("it broke", stale=True) from error.with_traceback(None)
        finally:
            connection.close()
            del headers


def lowered(response: http.client.HTTPResponse) -> dict[str, str]:
    return {
        name.lower(): ", ".join(response.headers.get_all(name, [])) for name in response.headers
    }


class Broken(TransportTests):
    """Plays a naive transport."""

    __test__ = False
    transport: ClassVar[type[Naive]] = Naive

    def make_transport(self, api_url: str, ssl_context: ssl.SSLContext | None = None) -> Naive:
        return self.transport(api_url, ssl_context)


@found_by("test_a_redirect_is_not_followed", "the status: 200 came, and 302 is due")
@found_by("test_cookies_are_not_kept", "['visitor=1; Path=/'] came, and [] is due")
@found_by("test_netrc_and_the_proxy_for_plain_http_stay_out", "['Basic x'] came")
@found_by("test_a_path_goes_out_as_it_is", "'/v2/echo/a%3Bb%3Dc")
@found_by("test_headers_go_out_as_they_are_and_no_body_does", "Content-Length: ['2']")
@found_by("test_no_error_shows_the_key_nor_do_its_frames[http-a timeout]", "key: ['File")
class DoesWhatABrowserDoes(Naive):
    """It follows redirects, keeps cookies, reads netrc and quotes the path."""

    cookies: Mapping[str, str] = {}

    def send(self, request: Request, timeout: float) -> Response:
        is_known = netrc.netrc(os.environ.get("NETRC", os.devnull)).hosts
        password = {"Authorization": "Basic x"} if is_known else {}
        length = {"Content-Length": "2"}  # as of the body {}
        headers = {**request.headers, **self.cookies, **password, **length}
        response = super().send(Request(request.method, quote(request.path), headers), timeout)
        self.cookies = {"Cookie": response.headers.get("set-cookie", "")}
        if "location" in response.headers:
            self.url = urlsplit(response.headers["location"].removesuffix("/elsewhere"))
            return super().send(request, timeout)
        return response


@found_by("test_what_ends_early_is_lost_and_is_not_retried", "BadResponseError is due")
@found_by("test_a_refused_connection_was_not_sent", "ConnectFailedError is due")
@found_by("test_a_handshake_that_fails_was_not_sent[https-a close]", "ConnectFailedError is due")
@found_by("test_an_interruption_passes_and_its_response_is_dropped", "TimedOutErr")
class MixesUpErrors(Naive):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except ConnectFailedError as error:
            raise ConnectionLostError(f"no luck: {error}") from error
        except TransportError as error:
            raise ConnectFailedError(f"no luck: {error}") from error
        except KeyboardInterrupt as error:
            raise TimedOutError("interrupted") from error


@found_by("test_what_ends_early_is_lost_and_is_not_retried", "a response with status 200")
@found_by("test_no_error_shows_the_key_nor_do_its_frames[http-a timeout]", "Bearer ***")
@found_by("test_no_request_goes_to_an_untrusted_server", "transient of ConnectFailedError")
class RetriesAndShowsTheKey(Naive):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except ConnectionLostError:
            return super().send(request, timeout)
        except TransportError as error:
            raise type(error)(f"{error} for {dict(request.headers)}") from error


@found_by("test_a_status_is_data_and_is_not_retried", "a response is due")
@found_by("test_a_compressed_body_is_refused_and_not_decoded[http-a bomb in gzip]", "a message of ")
@found_by("test_a_body_of_1_mib_is_taken", "a response is due")
@found_by("test_what_is_too_large_is_refused_and_not_held[http-a body of 50 MB]", "were taken")
@found_by("test_a_refused_connection_was_not_sent", "has no __cause__")
class RefusesWhatItHasRead(Naive):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            response = super().send(request, timeout)
        except ConnectFailedError as error:
            raise ConnectFailedError(str(error)) from None
        if "content-encoding" in response.headers:
            raise BadResponseError(str(response.body))
        if response.status >= 400 or len(response.body) >= MAX_BODY_BYTES:
            raise BadResponseError(f"status {response.status}")
        return response


@found_by("test_no_request_goes_to_an_untrusted_server", "ConnectFailedError is due")
class TrustsAnyone(Naive):
    def __init__(self, api_url: str, context: ssl.SSLContext | None) -> None:
        super().__init__(api_url, context and ssl._create_unverified_context())  # noqa: S323 - that is wrong


@found_by("test_a_response_after_the_timeout_never_reaches_the_next_call", "its own ")
@found_by("test_surplus_bytes_never_reach_the_next_call", "its own response is due")
@found_by("test_surplus_bytes_never_reach_the_next_call", "over connection 1 once more")
@found_by("test_an_interruption_passes_and_its_response_is_dropped", "its own ")
@found_by("test_after_a_fork_each_process_has_connections_of_its_own", "[1] came, and [2] is due")
@found_by("test_headers_go_out_as_they_are_and_no_body_does", "'Authorization': [], ")
@found_by("test_a_kept_connection_that_ends_as_we_write_is_stale[http-by a close]", "False came")
@found_by("test_a_connection_that_was_closed_while_idle_is_replaced", "its own response is due")
@found_by("test_once_closed_it_sends_over_connections_that_it_does_not_keep", "close: 1 came")
@found_by("test_what_ends_early_is_lost_and_is_not_retried[http-in the head]", "its own ")
@found_by("test_its_pickle_sends_too", "cannot pickle 'socket' object")
@found_by("test_what_is_no_response_of_http_1_is_refused[http-a header without colon]", "once more")
class KeepsOneConnection(Naive):
    """A socket is kept even after `close`, and not guarded against other callers or a fork."""

    sock: socket.socket | None = None
    received = b""

    def send(self, request: Request, timeout: float) -> Response:
        if self.sock is None:
            connection = self.connection(timeout)
            connection.connect()
            self.sock = connection.sock
        self.sock.settimeout(timeout)
        head = [f"{request.method} {request.path} HTTP/1.1", f"Host: {self.url.netloc}", "", ""]
        self.sock.sendall("\r\n".join(head).encode())
        try:
            while b"}" not in self.received:
                if not (byte := self.sock.recv(1)):
                    raise ConnectionLostError("it has ended")
                self.received += byte
        except TimeoutError as error:
            raise TimedOutError("no response in time") from error
        whole, _, self.received = self.received.partition(b"}")
        if b"X-Odd\r\n" in whole:
            raise BadResponseError("a header without colon")
        return Response(200, {}, whole)

    def close(self) -> None:
        self.sock = None


@found_by("test_a_status_is_data_and_is_not_retried", "Retry-After and body: (400, None, b'")
@found_by("test_paths_go_below_the_prefix_of_the_address", "the target: '/v2/echo/1' came")
@found_by("test_callers_side_by_side_get_their_own_responses", "its own response is due")
@found_by("test_its_clock_advances_while_it_sleeps", "its clock advanced by 0.")
@found_by("test_closing_leaves_no_connection_and_no_thread", "threads that are left: {<Thread(")
@found_by("test_headers_go_out_as_they_are_and_no_body_does", "'GET /v2/echo/1 HTTP/1.1' came")
class Careless(Naive):
    """It drops headers and its address's path, mixes up callers, and leaves a thread behind."""

    def send(self, request: Request, timeout: float) -> Response:
        self.url = self.url._replace(path="")
        self.response = super().send(Request("GET", request.path, request.headers), timeout)
        threading.Thread(target=time.sleep, args=[9], daemon=True).start()
        time.sleep(0.01)
        return Response(self.response.status, {}, self.response.body)

    def sleep(self, seconds: float) -> None:
        pass


@found_by("test_callers_side_by_side_get_their_own_responses", "its own response is due")
@found_by("test_an_interruption_passes_and_its_response_is_dropped", "TimedOutErr")
class Awaited(Careless):
    async def send(self, request: Request, timeout: float) -> Response:  # type: ignore[override]  # of the other kind
        try:
            return await asyncio.to_thread(super().send, request, timeout)
        except asyncio.CancelledError as error:
            raise TimedOutError("interrupted") from error


for broken, *_ in FOUND:
    if issubclass(broken, Naive):
        name = f"Test{broken.__name__}"
        globals()[name] = type(name, (Broken,), {"transport": broken})
