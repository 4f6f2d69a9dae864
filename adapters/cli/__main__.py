"""`python -m firecrawl_interact.adapters.cli` is the command."""

from . import main

main()
