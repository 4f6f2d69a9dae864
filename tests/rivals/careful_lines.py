"""The twenty lines that a careful reader of the service's page would write."""

import time

import httpx


def delete(client: httpx.Client, url: str) -> str:
    """Say "gone", "not gone" or "unknown"."""
    for attempt in range(4):
        time.sleep(2**attempt / 2 if attempt else 0)
        try:
            response = client.delete(url, timeout=90)
            content = response.json()
            says, words = content.get("success"), str(content.get("error")).lower()
        except (httpx.TransportError, ValueError, AttributeError):
            continue  # It may have been destroyed. Only another request can tell.
        if response.status_code == 200 and says is True:
            return "gone"
        if response.status_code in (404, 410) and says is False and "session" in words:
            return "gone"
        if response.status_code in (400, 401, 402, 403) and says is False:
            return "not gone"
    return "unknown"
