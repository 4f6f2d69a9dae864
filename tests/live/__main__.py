"""Compares a service with `docs/service.md`: `make live`, for whoever has a key."""

import os
import sys
from pathlib import Path

from firecrawl_interact.adapters.environment import service_address

from .check import TTL, Check

TRANSCRIPT = Path("build/live.md")


def main() -> int:
    """Ask, compare, and write the transcript. 0: all is as the page says."""
    api_key = os.environ.get("FIRECRAWL_API_KEY", "")
    if not api_key:
        print("Set FIRECRAWL_API_KEY to a key of the service.")
        return 2
    with_scrape = bool(os.environ.get("SCRAPE"))
    api_url = str(service_address(None, allow_plain_http=False))
    sessions, most = (3, 14) if with_scrape else (2, 9)
    print(
        f"This opens {sessions} sessions of {TTL} seconds at {api_url} and ends them.\n"
        f"It may cost up to {most} credits of the account behind FIRECRAWL_API_KEY."
    )
    if input("Type yes to go on: ").strip().lower() != "yes":
        print("Nothing was sent.")
        return 2
    check = Check(api_url, api_key)
    try:
        is_so = check.run(with_scrape=with_scrape)
    finally:
        TRANSCRIPT.parent.mkdir(exist_ok=True)
        TRANSCRIPT.write_text(check.transcript(), encoding="utf-8")
        print(f"{TRANSCRIPT} has the responses, without key and ids: send it with an issue.")
    return 0 if is_so else 1


if __name__ == "__main__":
    sys.exit(main())
