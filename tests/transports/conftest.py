"""Each test here that takes `transport_class` or `open_transport` runs over both transports."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance.driver import Driver

from .driven import OpenTransport, TransportClass


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=[Urllib3Transport, AsyncioTransport])
def transport_class(request: pytest.FixtureRequest) -> TransportClass:
    transport_class: TransportClass = request.param
    return transport_class


@pytest.fixture
def open_transport(transport_class: TransportClass) -> Iterator[OpenTransport]:
    with ExitStack() as stack:

        def open_transport(*arguments: object, **settings: object) -> Driver:
            driver = Driver(transport_class(*arguments, **settings))  # type: ignore[arg-type]
            stack.callback(driver.close)
            return driver

        yield open_transport
