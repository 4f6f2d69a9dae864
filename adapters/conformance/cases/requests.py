"""Cases about the request: it goes out as it is, and nothing else does."""

import tempfile
from pathlib import Path

from ..case import EVERYWHERE, case
from ..driver import HEADERS
from ..expectations import Severity, require
from ..harness import Harness, environment, require_one_request, require_own
from ..wire_faults import responds

_ESCAPED = (
    "%2E%2E/a %2e%2e/b %2F %2f %25 %252E %3F%23 %41~%7E %20+ %C3%A9%e2%82%ac %00 a;b=c,d@e:f!$&'()*"
)


@case(Severity.MAY_LOSE_SESSIONS, EVERYWHERE)
def escapes_in_a_path_stay_as_they_are(harness: Harness) -> None:
    """A path is percent-encoded already and goes out as it is."""
    service = harness.start_service()
    driver = harness.make_transport(service)
    for escaped in _ESCAPED.split():
        path = f"/v2/echo/{escaped}"
        driver.send(path)
        targets = [request.target for request in service.requests]
        require(targets[-1:] == [path], f"{targets[-1:]} for the path {path}")


@case(Severity.MAY_LOSE_SESSIONS)
def the_prefix_of_the_service_is_kept(harness: Harness) -> None:
    """Paths go below the prefix of api_url, whether or not that ends with a slash."""
    server = harness.start_server()
    for prefix, slash in (("/api/v9%2E", ""), ("/api", "/"), ("", "/")):
        driver = harness.make_transport(server, api_url=server.api_url + prefix + slash)
        path = harness.make_path()
        require_own(driver.send(path), path)
        target = require_one_request(server, path).target
        require(target == prefix + path, f"{target} for {path} below {prefix}{slash}")


@case(Severity.STRICTNESS)
def headers_go_out_as_they_are(harness: Harness) -> None:
    """The request goes out with its headers as they are, and without a body."""
    server = harness.start_server()
    driver = harness.make_transport(server)
    headers = {**HEADERS, "X-Mixed-CASE": 'a: b;  c=\t"d"'}
    path = harness.make_path()
    require_own(driver.send(path, headers=headers), path)
    request = require_one_request(server, path)
    line = request.head.split("\r\n")[0]
    require(line == f"DELETE {path} HTTP/1.1", f"the request line {line!r}")
    for name, value in headers.items():
        require(request.values(name) == [value], f"{name}: {request.values(name)}")
    require(request.values("host") == [server.authority], f"Host: {request.values('host')}")
    for name in ("cookie", "proxy-authorization", "transfer-encoding"):
        require(not request.values(name), f"{name}: {request.values(name)}")
    require(request.values("content-length") in ([], ["0"]), "a request that announces a body")


@case(Severity.MAY_LOSE_SESSIONS)
def no_credential_is_made_up(harness: Harness) -> None:
    """A request without Authorization goes out without it."""
    server = harness.start_server()
    driver = harness.make_transport(server)
    path = harness.make_path()
    require_own(driver.send(path, headers={"Accept": "application/json"}), path)
    credentials = require_one_request(server, path).values("authorization")
    require(not credentials, f"Authorization: {credentials}")


@case(Severity.STRICTNESS)
def cookies_are_not_kept(harness: Harness) -> None:
    """No cookie is kept for the next request."""
    server = harness.start_server(responds(headers="Set-Cookie: visitor=1; Path=/\r\n"))
    driver = harness.make_transport(server)
    path = harness.make_path()
    require_own(driver.send(path), path)
    cookies = harness.require_healthy(driver, server).values("cookie")
    require(not cookies, f"Cookie: {cookies}")


@case(Severity.MAY_LOSE_SESSIONS)
def netrc_and_proxies_of_the_environment_stay_out(harness: Harness) -> None:
    """Netrc touches no request, and plain http to this machine goes through no proxy."""
    server, proxy = harness.start_server(), harness.start_server()
    variables: dict[str, str | None] = {"http_proxy": proxy.api_url}
    if harness.over == "http":  # Over https a proxy of the environment is honoured.
        variables["all_proxy"] = proxy.api_url
    with tempfile.TemporaryDirectory() as home:
        netrc = Path(home) / ".netrc"
        netrc.write_text("machine 127.0.0.1 login user password secret\n")
        netrc.chmod(0o600)
        with environment({**variables, "netrc": str(netrc), "home": home}):
            request = harness.require_healthy(harness.make_transport(server), server)
    credentials = request.values("authorization")
    require(credentials == [HEADERS["Authorization"]], f"Authorization: {credentials}")
    require(proxy.connections == 0, "a connection to the proxy of the environment")
