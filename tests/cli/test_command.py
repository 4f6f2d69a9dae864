"""The command as a program: its version, what it loads, and what it is without its extra."""

import re
import subprocess
import sys

import pytest

from .commands import Run

pytestmark = pytest.mark.enable_socket


@pytest.mark.parametrize("library", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(library: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from firecrawl_interact.adapters.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f'firecrawl-interact needs {library}: pip install "firecrawl-interact[cli]"\n'
    )


def test_the_version_is_the_installed_one(run: Run) -> None:
    assert re.fullmatch(r"firecrawl-interact \d+\.\d+\.\d+\n", run("--version").out)


def test_help_loads_only_click() -> None:
    code = (
        "import sys\n"
        "from firecrawl_interact.adapters.cli import main\n"
        "sys.argv = ['firecrawl-interact', 'delete', '--help']\n"
        "try: main()\n"
        "finally: print({'rich', 'urllib3', 'http.server'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("\nset()\n")
