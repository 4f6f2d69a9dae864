"""The kit can fail: a case finds each transport that breaks its promise, and explains it."""

import threading
from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters.conformance import CASES, Channel, MakeTransport, check

from . import broken_readers as readers
from . import broken_transports as broken
from .right_transport import RightTransport

pytestmark = pytest.mark.enable_socket

BY_NAME = {case.name: case for case in CASES}

# What is broken, the case that finds it, and what the case says to have seen.
BLOCKING: list[tuple[MakeTransport, str, str]] = [
    (
        broken.FollowsRedirects,
        "a-redirect-302-is-not-followed",
        "instead of a response with status 302",
    ),
    (
        broken.RetriesLostRequests,
        "a-close-before-the-response-is-a-lost-connection",
        "instead of ConnectionLostError, transient: a response with status 200",
    ),
    (
        broken.RetriesLostRequests,
        "a-kept-connection-closed-as-we-write-is-stale",
        "instead of ConnectionLostError, transient, stale: a response with status 200",
    ),
    (
        broken.WaitsForEver,
        "a-silent-server-ends-in-a-timeout",
        r"after 2\.\d+ s instead of 0\.4 s: ConnectionLostError",
    ),
    (
        broken.WaitsForEveryByte,
        "a-dripped-body-ends-in-a-timeout",
        r"(instead of TimedOutError, transient: |after \d\.\d+ s instead of 0\.4 s: )",
    ),
    (
        broken.CallsAllNotSent,
        "a-reset-before-the-response-is-a-lost-connection",
        "instead of ConnectionLostError, transient: ConnectFailedError",
    ),
    (
        broken.HidesCauses,
        "a-refused-connection-was-not-sent",
        "an error without its __cause__: ConnectFailedError",
    ),
    (
        broken.LeaksSocketErrors,
        "a-reset-before-the-response-is-a-lost-connection",
        "send raised ConnectionResetError.*, which is no TransportError",
    ),
    (broken.QuotesTheKey, "a-cut-body-is-no-response", "the API key in the text of an error"),
    (
        readers.QuotesAllThatCame,
        "a-long-line-of-another-protocol-is-hardly-quoted",
        r"a message of 600\d\d characters",
    ),
    (
        broken.CallsAllTransient,
        "a-body-above-1-mib-is-refused",
        "instead of BadResponseError, not transient: BadResponseError.*, transient",
    ),
    (
        broken.NeverSaysStale,
        "a-kept-connection-reset-as-we-write-is-stale",
        "instead of ConnectionLostError, transient, stale: ConnectionLostError.*, transient",
    ),
    (
        broken.AlwaysSaysStale,
        "a-kept-connection-lost-within-a-response-is-not-stale",
        "instead of ConnectionLostError, transient: ConnectionLostError.*, transient, stale",
    ),
    (
        broken.TrustsKeptConnections,
        "an-unasked-response-is-never-used",
        "the next call got a response that is not its own: .*neighbour",
    ),
    (
        broken.KeepsSurplus,
        "a-second-response-is-never-used",
        "the next call got a response that is not its own: .*neighbour",
    ),
    (
        broken.ForgetsAnnouncedCloses,
        "an-announced-close-is-believed",
        "the next call went over a connection that must not be used again",
    ),
    (
        broken.TrustsKeptConnections,
        "a-connection-closed-while-idle-is-replaced",
        "the next call ended in ConnectionLostError",
    ),
    (
        broken.SharesConnectionsAfterFork,
        "a-fork-shares-no-connection",
        "(the next call|a call in the child)",
    ),
    (
        readers.DecodesBodies,
        "a-response-coded-as-gzip-is-refused",
        "instead of BadResponseError, not transient: a response with status 200 and 17 bytes",
    ),
    (broken.KeepsCookies, "cookies-are-not-kept", r"Cookie: \['visitor=1; Path=/'\]"),
    (
        broken.ReencodesPaths,
        "escapes-in-a-path-stay-as-they-are",
        r"\['/v2/echo/\.\./a'\] for the path /v2/echo/%2E%2E/a",
    ),
    (
        broken.DropsThePrefix,
        "the-prefix-of-the-service-is-kept",
        "/v2/echo/call-0001 for /v2/echo/call-0001 below /api/v9",
    ),
    (
        broken.RenamesTheCredential,
        "headers-go-out-as-they-are",
        r"Authorization: \['bearer ",
    ),
    (
        broken.MakesUpACredential,
        "no-credential-is-made-up",
        r"Authorization: \['Bearer guest'\]",
    ),
    (
        broken.ReadsNetrc,
        "netrc-and-proxies-of-the-environment-stay-out",
        r"Authorization: \['Basic ",
    ),
    (
        broken.UsesTheProxy,
        "netrc-and-proxies-of-the-environment-stay-out",
        "0 requests reached the service for one call",
    ),
    (
        broken.TriesOneAddress,
        "every-address-of-a-name-is-tried",
        "the next call ended in ConnectFailedError",
    ),
    (
        broken.TimesEachAddress,
        "all-addresses-of-a-name-share-one-timeout",
        r"after 1\.\d+ s instead of 0\.4 s: ConnectFailedError",
    ),
    (
        broken.NeverCloses,
        "closing-ends-kept-connections",
        "1 open connections after the close",
    ),
    (
        broken.NeverCloses,
        "nothing-is-left-behind",
        r"\d open connections after a failure and a close",
    ),
    (
        broken.IgnoresItsClose,
        "a-closed-transport-sends-nothing",
        "instead of ConnectFailedError, not transient: a response with status 200",
    ),
    (
        broken.ConnectsEachTime,
        "calls-in-a-row-use-one-connection",
        "20 connections for 20 calls",
    ),
    (
        broken.ConnectsEachTime,
        "callers-side-by-side-share-connections",
        r"\d+ connections for 8 callers",
    ),
    (
        broken.CannotBePickled,
        "a-pickled-transport-sends-too",
        "TypeError: cannot pickle '_thread.lock' object",
    ),
    (broken.LeavesThreads, "nothing-is-left-behind", "the threads "),
    (
        broken.MixesResponses,
        "callers-side-by-side-get-their-own-responses",
        "the call got a response that is not its own",
    ),
    (
        broken.KeepsInterruptedConnections,
        "an-interrupt-passes-through",
        "the next call got a response that is not its own",
    ),
    (
        broken.SwallowsInterrupts,
        "an-interrupt-passes-through",
        "instead of a KeyboardInterrupt: TimedOutError",
    ),
    (
        readers.AcceptsCutHeads,
        "a-head-without-its-end-is-no-response",
        "instead of ConnectionLostError, .* a response with status 200 and 0 bytes",
    ),
    (
        readers.AcceptsCutBodies,
        "a-cut-body-is-no-response",
        "instead of ConnectionLostError, transient: a response with status 200 and 16 bytes",
    ),
    (
        readers.HoldsLargeBodies,
        "a-body-above-1-mib-is-refused",
        "instead of BadResponseError, not transient: a response with status 200 and 1048577 bytes",
    ),
    (
        readers.RefusesTheLargestBody,
        "chunks-of-1-mib-are-taken",
        "the call ended in BadResponseError",
    ),
    (
        readers.RefusesLargeBodiesLate,
        "a-body-of-50-mb-is-not-held",
        r"\d+ MB were taken before the call failed",
    ),
    (
        readers.TakesHintsForResponses,
        "a-103-early-hints-is-skipped",
        "the call got a response that is not its own",
    ),
    (
        readers.GuessesLengths,
        "a-length-with-chunks-is-refused",
        "instead of BadResponseError, transient: a response with status 200",
    ),
    (broken.RaisesForStatus, "a-404-is-a-response", "instead of a response with status 404: "),
    (
        readers.KeepsNamesAsTheyCame,
        "header-names-are-in-lower-case",
        "the headers {'X-Two': ",
    ),
    (broken.IsImpatient, "a-slow-response-is-waited-for", "the call ended in TimedOutError"),
    (
        broken.NeverSleeps,
        "time-passes-while-it-sleeps",
        r"0\.000 s on its clock for a sleep of 0\.05 s",
    ),
    (
        broken.KeepsConnectionsAfterTimeouts,
        "a-response-after-the-timeout-is-never-used",
        "the next call",
    ),
    (
        broken.CallsTheUnknownUnsent,
        "an-unknown-failure-after-the-request-counts-as-sent",
        "instead of an error that says sent=True: ConnectFailedError",
    ),
    (
        readers.ForgetsTheStatus,
        "a-response-that-ends-with-the-connection-names-its-status",
        "an error that does not name 503: BadResponseError",
    ),
    *(
        (readers.TakesBareLfs, f"{name}-is-refused", "a response with status 200")
        for name in ("a-head-with-bare-lfs", "a-header-that-ends-with-a-bare-lf")
    ),
    *(
        (readers.TakesAnyStatusLine, f"{name}-is-refused", "a response with status 200")
        for name in ("another-minor-version", "an-empty-line-before-the-status-line")
    ),
    *(
        (readers.TakesAnyHeader, f"{name}-is-refused", "a response with status 200")
        for name in (
            "a-space-before-the-first-header",
            "a-space-before-the-colon",
            "a-nul-in-a-header",
            "a-cr-in-a-header",
            "a-trailer-without-colon",
        )
    ),
    *(
        (readers.TakesOddLengthsForNone, f"{name}-is-refused", "with status 200 and 0 bytes")
        for name in ("a-length-in-other-digits", "an-empty-length")
    ),
    (readers.TakesChunksInOldHttp, "chunks-in-http-1-0-are-refused", "a response with status 200"),
    (
        readers.SkipsManyInterimResponses,
        "more-than-8-interim-responses-are-refused",
        "a response with status 200",
    ),
    *(
        (make_transport, name, "BadResponseError")
        for make_transport, name in (
            (readers.SkipsFewInterimResponses, "8-interim-responses-are-skipped"),
            (broken.RefusesSurplus, "surplus-bytes-leave-the-response-as-it-is"),
            (broken.RefusesSurplus, "a-body-behind-a-204-leaves-it-as-it-is"),
            (readers.IsTooStrict, "a-status-line-without-reason-is-taken"),
            (readers.IsTooStrict, "a-header-without-space-is-taken"),
            (readers.IsTooStrict, "a-folded-header-is-taken"),
            (readers.IsTooStrict, "100-headers-are-taken"),
            (readers.IsTooStrict, "a-header-line-of-64-kib-is-taken"),
            (readers.IsTooStrict, "a-body-coded-as-identity-is-taken"),
            (readers.IsTooStrict, "an-http-1-0-response-is-taken"),
            (readers.IsTooStrict, "chunks-of-one-byte-and-a-trailer-are-taken"),
        )
    ),
]


@pytest.fixture(autouse=True)
def _clean_up() -> Iterator[None]:
    yield
    broken.LeavesThreads.go_on.set()
    broken.LeavesThreads.go_on = threading.Event()
    while broken.NeverCloses.left_open:
        broken.NeverCloses.left_open.pop().sock.close()


@pytest.mark.parametrize(
    ("make_transport", "name", "seen"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[1]}") for row in BLOCKING],
)
def test_a_broken_transport_is_found(make_transport: MakeTransport, name: str, seen: str) -> None:
    case = BY_NAME[name]
    with pytest.raises(AssertionError, match=f"(?s)^Promised: .* Seen: .*{seen}"):
        case.run(make_transport)


def test_a_case_names_the_promise_that_is_broken() -> None:
    case = BY_NAME["a-redirect-302-is-not-followed"]
    with pytest.raises(AssertionError, match=f"^Promised: {case.promise}. Seen: "):
        case.run(broken.FollowsRedirects)


@pytest.mark.parametrize(
    "name",
    [
        "an-untrusted-certificate-is-refused",
        "an-expired-certificate-is-refused",
        "the-certificate-of-another-host-is-refused",
    ],
)
def test_one_that_trusts_anyone_is_found(name: str) -> None:
    with pytest.raises(AssertionError, match=r"not transient: a response with status 200"):
        BY_NAME[name].run(broken.TrustsAnyone, over="https")


@pytest.mark.parametrize(
    "name",
    ["an-expired-certificate-is-refused", "plain-http-instead-of-tls-is-not-transient"],
)
def test_one_that_calls_each_failed_handshake_transient_is_found(name: str) -> None:
    with pytest.raises(AssertionError, match=r"not transient: ConnectFailedError.*, transient"):
        BY_NAME[name].run(broken.CallsAllTransient, over="https")


def test_one_that_says_a_failed_handshake_was_sent_is_found() -> None:
    with pytest.raises(AssertionError, match=r"instead of ConnectFailedError.*: ConnectionLost"):
        BY_NAME["a-close-within-the-handshake-was-not-sent"].run(broken.CallsAllLost, over="https")


@pytest.mark.parametrize(
    ("make_transport", "name", "seen"),
    [
        (broken.SwallowsCancellation, "an-interrupt-passes-through", "a CancelledError: TimedOut"),
        (broken.GoesOnWhenCancelled, "an-interrupt-passes-through", "must not be used again"),
        (broken.LeavesTasks, "nothing-is-left-behind", "unfinished tasks"),
    ],
)
def test_a_broken_asynchronous_transport_is_found(
    make_transport: MakeTransport, name: str, seen: str
) -> None:
    with pytest.raises(AssertionError, match=seen):
        BY_NAME[name].run(make_transport)


@pytest.mark.parametrize("over", ["http", "https"])
def test_a_right_transport_keeps_every_promise(over: Channel) -> None:
    check(RightTransport, over=over)
