"""`firecrawl-interact check`: which of address, route, key and right is good."""

import pytest

from firecrawl_interact.adapters import FakeService, Fault, LoopbackService, Reply

from .commands import KEY, Run, WatchedService

pytestmark = pytest.mark.enable_socket

RESTRICTED = {"success": False, "error": "Forbidden: this key is for other endpoints."}
LIMITED = {"success": False, "error": "Rate limit exceeded, please retry after 34s"}


def test_good_address_route_key_and_right(service: WatchedService, run: Run) -> None:
    session_id = service.open_session()
    status, out, err = run("check")
    [request] = service.requests
    assert request.path.startswith("/v2/interact/")
    assert (status, err) == (0, "")
    assert out.startswith("good: http://127.0.0.1:")
    assert out.endswith(" knows the route, and the key may delete.\n")
    assert service.is_open(session_id)


@pytest.mark.parametrize(
    ("fault", "begins", "advises"),
    [
        (Reply(403, json=RESTRICTED), "right: HTTP 403: Forbidden: this key", "a key that may de"),
        (Reply(402, json={"error": "Payment"}), "right: HTTP 402: Payment. ", "a key that may de"),
        (Reply(404, b"<pre>Cannot DELETE</pre>"), "route: HTTP 404 with a body", "older than June"),
        (Reply(405, b"no"), "route: HTTP 405 with a body", "older than June 2026"),
        (Reply(200, b"<title>Log in</title>"), "address: HTTP 200 with a body", "FIRECRAWL_API_U"),
        (Reply(302), "address: HTTP 302, a response that the service is not known", "--api-url"),
        (Reply(403, b"<h1>Blocked</h1>"), "address: HTTP 403 with a body", "any proxy or gateway"),
        (Reply(200, json={"success": True}), "address: HTTP 200: it confirms to have", "--api-url"),
        (Reply(429, json=LIMITED), "unknown: HTTP 429: Rate limit", "check again in 34 s"),
        (Reply(503), "unknown: HTTP 503. ", "check again later."),
    ],
    ids=lambda value: str(value)[:30],
)
def test_one_line_says_which_is_not(
    fault: Fault, begins: str, advises: str, service: WatchedService, run: Run
) -> None:
    service.queue(fault)
    status, out, err = run("check")
    assert (status, err, out.count("\n"), len(service.requests)) == (1, "", 1, 1)
    assert out.startswith(begins)
    assert advises in out


@pytest.mark.parametrize("key", ["fc-unknown", ""])
def test_a_wrong_key_and_none_where_one_is_needed(
    key: str, service: WatchedService, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", key)
    status, out, _ = run("check")
    assert status == 1
    assert out.startswith("key: HTTP 401: ")
    assert ("No API key was set" in out) is (key == "")
    assert "fc-unknown" not in out


def test_nobody_is_there(service: WatchedService, run: Run) -> None:
    with LoopbackService(FakeService([KEY])) as gone:
        api_url = gone.api_url
    status, out, _ = run("check", "--api-url", api_url)
    assert status == 1
    assert out.startswith("address: ")
    assert "refused" in out
    assert service.requests == []


def test_a_service_of_one_s_own_without_sign_in(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRECRAWL_API_KEY", raising=False)
    with LoopbackService(FakeService([])) as loopback:
        status, out, _ = run("check", "--api-url", loopback.api_url)
        good = f"good: {loopback.api_url} knows the route, and it needs no key.\n"
    assert (status, out) == (0, good)


@pytest.mark.parametrize(
    "arguments", [["--api-url", "ftp://x"], ["--api-key", "a b"], ["--api-url", ""]], ids=str
)
def test_bad_input_sends_nothing(arguments: list[str], service: WatchedService, run: Run) -> None:
    status, out, err = run("check", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.endswith("Nothing was sent.\n")
    assert service.requests == []


def test_the_cloud_needs_a_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRECRAWL_API_KEY", "FIRECRAWL_API_URL"):
        monkeypatch.delenv(name, raising=False)
    status, _, err = run("check")
    assert status == 2
    assert "no API key was set" in err
