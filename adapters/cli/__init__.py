"""The command `firecrawl-interact`, which needs the extra `cli`.

The commands themselves are in `commands`: this module can be imported without the extra.
"""

import os
import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command, or say in one line what to install."""
    missing = " and ".join(name for name in ("click", "rich") if find_spec(name) is None)
    if missing:
        sys.exit(f'firecrawl-interact needs {missing}: pip install ".[cli]" in a clone of it')
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # It is closed, and a socket would take its place.
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115 - for good
        getattr(sys, name).reconfigure(errors="backslashreplace")  # It may not be able to show all.
    from .commands import command  # noqa: PLC0415 - the extra may be absent

    command(prog_name="firecrawl-interact")
