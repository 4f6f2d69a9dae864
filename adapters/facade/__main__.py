"""Runs the command, for `python -m firecrawl_interact`."""

from firecrawl_interact.adapters.cli import main

if __name__ == "__main__":
    main()
