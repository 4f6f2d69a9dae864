"""Requests to a fake service, for the tests of what it does with them."""

from urllib.parse import quote

import msgspec

from firecrawl_interact.adapters.fake_service import FakeService
from firecrawl_interact.adapters.in_memory import InMemoryTransport
from firecrawl_interact.core.transport import Request, Response


def send(
    service: FakeService,
    path: str,
    *,
    method: str = "DELETE",
    authorization: str | None = "Bearer fc-test",
) -> Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    return InMemoryTransport(service).send(Request(method, path, headers), timeout=90)


def delete(service: FakeService, session_id: str, api_key: str = "fc-test") -> Response:
    path = f"/v2/interact/{quote(session_id, safe='')}"
    return send(service, path, authorization=f"Bearer {api_key}")


def content(response: Response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return msgspec.json.decode(response.body, type=dict[str, object])


def failure(error: str) -> dict[str, object]:
    return {"success": False, "error": error}
