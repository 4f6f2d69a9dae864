"""The service that the benchmarks talk to: arguments are its sessions and its seconds a call."""

import json
import sys

from firecrawl_interact.adapters import FakeService, LoopbackService

if __name__ == "__main__":
    fake = FakeService(latency=float(sys.argv[2]))
    session_ids = [fake.open_session() for _ in range(int(sys.argv[1]))]
    with LoopbackService(fake) as loopback:
        print(json.dumps([loopback.api_url, session_ids]), flush=True)
        sys.stdin.read()
