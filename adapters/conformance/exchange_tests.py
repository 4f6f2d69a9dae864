"""What a transport promises about one request and its response."""

from pathlib import Path

import pytest

from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectionLostError,
    TimedOutError,
)

from . import fault_tables as faults
from .driver import ENOUGH, HEADERS, SENT, SHORT, compare, require, shows_key
from .fault_tables import each, named
from .harness import TransportHarness
from .server import FaultFunction
from .wire_faults import CHUNKED, LATE, responds, sends


class ExchangeTests(TransportHarness):
    """What is sent, and what a call ends in."""

    __test__ = False

    # What is sent

    @each(named("%2E%2E/a", "%25%252E", "%3F%23", "%20+", "%C3%A9", "a;b=c,d@e:f"))
    def test_a_path_goes_out_as_it_is(self, fault: str) -> None:
        """Or else the request can reach another resource."""
        server, driver = self.start()
        driver.succeeds(f"/v2/echo/{fault}")
        compare("the target", server.requests[0].target, f"/v2/echo/{fault}")

    @each(named("/api/v9%2E", "/api/", "/"))
    def test_paths_go_below_the_prefix_of_the_address(self, fault: str) -> None:
        server = self.serve()
        self.drive(server.api_url + fault).succeeds("/v2/echo/1")
        compare("the target", server.requests[0].target, fault.rstrip("/") + "/v2/echo/1")

    def test_headers_go_out_as_they_are_and_no_body_does(self) -> None:
        server, driver = self.start()
        headers = {**HEADERS, "X-Mixed-CASE": 'a: b;  c=\t"d"'}
        driver.succeeds("/v2/echo/1", headers=headers)
        [request] = server.requests
        compare("the request", request.head.split("\r\n")[0], "DELETE /v2/echo/1 HTTP/1.1")
        unasked = ("cookie", "proxy-authorization", "transfer-encoding")
        expected = {"host": [server.authority]} | {name: [] for name in unasked}
        expected |= {name: [value] for name, value in headers.items()}
        compare("the headers", {name: request.values(name) for name in expected}, expected)
        length = request.values("content-length")
        require(length in ([], ["0"]), f"a request without a body has Content-Length: {length}")

    def test_cookies_are_not_kept(self) -> None:
        server, driver = self.start(responds(headers="Set-Cookie: visitor=1; Path=/\r\n"))
        driver.works(server)
        compare("the cookies of the next request", driver.works(server).values("cookie"), [])

    def test_netrc_and_the_proxy_for_plain_http_stay_out(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A password from netrc would replace the key, and a proxy would read it."""
        server, proxy = self.serve(), self.serve()
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login user password secret\n", encoding="utf-8")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("http_proxy", proxy.api_url)
        came = self.drive(server.api_url).works(server).values("authorization")
        compare("the Authorization", came, [HEADERS["Authorization"]])
        compare("connections to the proxy", proxy.connections, 0)

    # What is a response

    @each(named(204, 400, 404, 408, 429, 502))
    def test_a_status_is_data_and_is_not_retried(self, fault: int) -> None:
        body = b"" if fault == 204 else bytes(range(256))
        length = b"" if fault == 204 else b"Content-Length: 256\r\n"
        head = b"HTTP/1.1 %d As Planned\r\nRetry-After: 1\r\n%b\r\n" % (fault, length)
        server, driver = self.start(sends(head + body))
        response = driver.succeeds("/v2/echo/1")
        came = response.status, response.headers.get("retry-after"), response.body
        compare("status, Retry-After and body", came, (fault, "1", body))
        compare("requests for one call", len(server.requests), 1)
        driver.works(server)

    @each(named(301, 302, 303, 307, 308))
    def test_a_redirect_is_not_followed(self, fault: int) -> None:
        """The key would go where the redirect points."""
        elsewhere = self.serve()
        location = f"Location: {elsewhere.api_url}/elsewhere".encode()
        moved = b"HTTP/1.1 %d Moved\r\n%b\r\nContent-Length: 0\r\n\r\n" % (fault, location)
        server, driver = self.start(sends(moved))
        compare("the status", driver.succeeds("/v2/echo/1").status, fault)
        compare("requests where the redirect points", len(elsewhere.requests), 0)
        compare("requests for one call", len(server.requests), 1)

    def test_header_names_are_lower_case_and_lines_joined(self) -> None:
        head = b"X-TWO: a\r\nx-Empty:\r\nX-Two:  b\t\r\nContent-Length: 2\r\n\r\n{}"
        _, driver = self.start(sends(faults.OK + head))
        expected = {"x-two": "a, b", "x-empty": "", "content-length": "2"}
        compare(f"the headers of {head!r}", dict(driver.succeeds("/v2/echo/1").headers), expected)

    @each(named("100 Continue", "102 Processing", "103 Early Hints"))
    def test_8_interim_responses_are_skipped(self, fault: str) -> None:
        """Or else the response itself would be the next call's."""
        before = f"HTTP/1.1 {fault}\r\n\r\n".encode() * 8
        server, driver = self.start(responds(before=before, seconds=LATE))
        driver.works(server)
        driver.works(server)

    def test_a_body_of_1_mib_is_taken(self) -> None:
        half = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
        _, driver = self.start(sends(CHUNKED + half * 2 + b"0\r\n\r\n"))
        compare("bytes of the body", len(driver.succeeds("/v2/echo/1").body), MAX_BODY_BYTES)

    # The service may have acted

    @each(faults.CUT)
    def test_what_ends_early_is_lost_and_is_not_retried(self, fault: FaultFunction) -> None:
        """A retry of its own would be one that the policy did not ask for."""
        server, error = self.refuses(fault, ConnectionLostError, BadResponseError)
        require(not getattr(error, "stale", False), f"{error!r} says stale of a new connection")
        repeated = len(server.requests) - len({one.target for one in server.requests})
        compare("requests beyond one for each call", repeated, 0)

    @each(faults.SLOW)
    def test_a_timeout_holds_even_while_bytes_arrive(self, fault: FaultFunction) -> None:
        self.refuses(fault, TimedOutError, timeout=SHORT)

    def test_a_response_after_the_timeout_never_reaches_the_next_call(self) -> None:
        """It would tell that another session is gone."""
        server, driver = self.start(responds(seconds=2 * SHORT))
        driver.fails(TimedOutError, timeout=SHORT)
        driver.works(server, 1)
        server.fault_is_over.wait(ENOUGH)
        driver.pause(LATE)
        driver.works(server, 1)

    @each(faults.NO_HTTP_1)
    def test_what_is_no_response_of_http_1_is_refused(self, fault: FaultFunction) -> None:
        self.refuses(fault, BadResponseError, ConnectionLostError)

    @each(faults.AMBIGUOUS)
    def test_a_response_without_a_clear_end_is_refused(self, fault: FaultFunction) -> None:
        """Half a response, or another call's, could say that a session is gone."""
        self.refuses(fault, BadResponseError, ConnectionLostError)

    @each(faults.COMPRESSED)
    def test_a_compressed_body_is_refused_and_not_decoded(self, fault: FaultFunction) -> None:
        """The library never asks for it, and a small one can be gigabytes."""
        self.refuses(fault, BadResponseError)

    @each(faults.TOO_LARGE)
    def test_what_is_too_large_is_refused_and_not_held(self, fault: FaultFunction) -> None:
        server, _ = self.refuses(fault, *SENT, timeout=3)
        taken = server.bytes_sent
        require(taken <= faults.MOST_BYTES_TAKEN, f"{taken} bytes were taken: 1 MiB is the limit")

    @each(faults.OF_EACH_KIND)
    def test_no_error_shows_the_key_nor_do_its_frames(self, fault: FaultFunction) -> None:
        """Error trackers send the messages, and the local variables of every frame."""
        _, error = self.refuses(fault, *SENT, timeout=SHORT)
        compare(f"lines of the traceback of {error!r} with the key", shows_key(error), [])
