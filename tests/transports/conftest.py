"""Each test here that takes a `net` or a `transport_class` runs over both transports."""

from collections.abc import Iterator

import pytest

from firecrawl_interact import AsyncioTransport, Urllib3Transport

from .servers import HttpTransport, Net


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=[Urllib3Transport, AsyncioTransport])
def transport_class(request: pytest.FixtureRequest) -> type[HttpTransport]:
    transport_class: type[HttpTransport] = request.param
    return transport_class


@pytest.fixture
def net(transport_class: type[HttpTransport]) -> Iterator[Net]:
    with Net(transport_class) as net:
        yield net
