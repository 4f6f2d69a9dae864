"""The conformance suite: pytest classes that check a transport or a journal of your own.

A subclass names what it is for::

    class TestMyTransport(TransportTests):
        def make_transport(self, api_url, ssl_context=None):
            return MyTransport(api_url, ssl_context)

        known = {"test_cookies_are_not_kept": "it keeps them, and Firecrawl sends none"}

`known` names the tests that yours fails, each with the reason. They are still played, as expected
failures, and one that passes is a failure, so the list stays true. A test stands there as pytest
prints it, with its parameters (`test_x[http-a close]`) or without, which means all of them.

The extra `conformance` has what the suite needs: pytest, hypothesis and trustme.
"""

try:
    from .journal_tests import JournalTests
    from .transport_tests import TransportTests
except ModuleNotFoundError as _error:
    if _error.name not in ("hypothesis", "pytest", "trustme"):
        raise
    raise ModuleNotFoundError(
        f"the conformance suite needs {_error.name}:"
        " pip install '.[conformance]' in a clone of the project",
        name=_error.name,
    ) from _error

__all__ = ["JournalTests", "TransportTests"]
