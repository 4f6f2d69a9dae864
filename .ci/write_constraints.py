"""Writes constraints.txt from what `pip install --dry-run --report` would install."""

import json
import sys

OURS = "firecrawl-interact"

found = [entry["metadata"] for entry in json.load(sys.stdin)["install"]]
print("# The versions that development uses; `make constraints` writes them.")
for name, version in sorted((one["name"].lower(), one["version"]) for one in found):
    if name != OURS:
        print(f"{name}=={version}")
