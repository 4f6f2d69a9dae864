"""The proof that a transport keeps the port's contract: `check`, or each of `CASES` by itself.

The kit needs no test framework. It plays its cases on 127.0.0.1, over `http`, over `https` (then
it needs the extra `conformance`), or in `memory` with a `FakeService`:

    check(MyTransport)                  # called as MyTransport(api_url)
    check(MyTransport, over="https")    # called as MyTransport(api_url, ssl_context=ssl_context)

and in pytest:

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_my_transport(case):
        case.run(MyTransport)
"""

from .case import Case, Report, check_cases
from .cases import CASES
from .harness import Channel, MakeTransport


def check(make_transport: MakeTransport, *, over: Channel = "http") -> Report:
    """Play all cases that have a meaning over one way to the service.

    Args:
        make_transport: makes the transport under test, as `Case.run` says.
        over: `http`, `https` or `memory`.

    Returns:
        Which promises are kept, and which cases could not be played here, and why.

    Raises:
        AssertionError: promises are broken. It names each, and says what was seen.
    """
    return check_cases(CASES, make_transport, over=over)


__all__ = ["CASES", "Case", "Channel", "MakeTransport", "Report", "check"]
