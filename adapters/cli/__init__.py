"""The command `firecrawl-interact`, which needs the extra `cli`.

The commands themselves are in `commands`: this module can be imported without the extra.
"""

import os
import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command, or say in one line what to install."""
    missing = [library for library in ("click", "rich") if find_spec(library) is None]
    if missing:
        sys.exit(
            f"firecrawl-interact needs {' and '.join(missing)}:"
            ' pip install "firecrawl-interact[cli]"'
        )
    # Started with one of them closed, a socket would take the place of it.
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for good
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for good
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for good
    from .commands import command  # noqa: PLC0415 - the extra may be absent

    command(prog_name="firecrawl-interact")
