"""Importing is cheap, and brings a library when its class is asked for."""

import subprocess
import sys
from importlib.metadata import version
from types import ModuleType

import pytest

import firecrawl_interact
from firecrawl_interact import adapters, core

LIBRARIES = {"asyncio", "click", "fcntl", "http.client", "http.server"}
LIBRARIES |= {"httpx", "httpx2", "psycopg", "ssl", "trustme", "urllib3"}
OWN = "firecrawl_interact.adapters."
LIBRARIES |= {f"{OWN}{name}" for name in ("asyncio", "fakes", "httpx", "journals", "urllib3")}
LIBRARIES |= {RUNS := "firecrawl_interact.core.runs"}
LOOKS = {
    "help": "assert 'FakeService' in __import__('pydoc').render_doc(package)",
    "help of the class": "__import__('pydoc').render_doc(package.AsyncioTransport)",
    "completion": "assert '.AsyncioTransport' in __import__('rlcompleter').Completer("
    "{'package': package}).attr_matches('package.Asyncio')[0]",
    "getmembers": "assert 'AsyncioTransport' in dict(__import__('inspect').getmembers(package))",
    "autospec": "from unittest import mock; mock.create_autospec(package)",
    "autospec of the class": "from unittest import mock;"
    " mock.create_autospec(package.AsyncioTransport)",
    "import * without psycopg": "import sys; sys.modules.update(psycopg=None);"
    " from firecrawl_interact import *; FakeService()",
}


def run(code: str, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("names", "loads"),
    [
        ("adapters, core", ""),
        ("AsyncDeleteSession, Deletions", RUNS),
        ("FakeService, InMemoryTransport", f"{OWN}fakes"),
        ("delete_session_from_environment", f"http.client ssl urllib3 {OWN}urllib3"),
        # asyncio brings fcntl, on Unix.
        ("AsyncioTransport", f"asyncio fcntl ssl {OWN}asyncio"),
        ("AsyncHttpxTransport, HttpxTransport", f"{OWN}httpx"),
    ],
)
def test_a_library_is_loaded_when_its_class_is_asked_for(names: str, loads: str) -> None:
    # What Python itself has loaded is no concern: since 3.14, pathlib brings fcntl.
    loaded = run(
        f"import sys; before = {{*sys.modules}}\nfrom firecrawl_interact import {names}\n"
        f"print(*{LIBRARIES}.intersection({{*sys.modules}} - before))"
    )
    assert set(loaded.split()) <= set(loads.split())


def test_the_package_alone_imports_nothing() -> None:
    # coverage imports it to find `core`, and forgets it: msgspec would be there twice.
    run("import firecrawl_interact, sys; assert 'msgspec' not in sys.modules")


@pytest.mark.parametrize("package", ["firecrawl_interact", "firecrawl_interact.adapters"])
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_looking_at_a_package_works(look: str, package: str) -> None:
    run(f"import {package} as package\n{look}")


def test_everything_can_be_imported_without_docstrings() -> None:
    modules = ("", ".core", ".adapters", ".adapters.conformance")
    run("\n".join(f"from firecrawl_interact{module} import *" for module in modules), "-OO")


@pytest.mark.parametrize("package", [firecrawl_interact, adapters], ids=["all", "adapters"])
def test_every_public_name_is_listed_once_in_order(package: ModuleType) -> None:
    assert all(getattr(package, name).__doc__ for name in package.__all__)
    classes = {name for name, value in vars(package).items() if isinstance(value, type)}
    assert classes <= set(package.__all__) <= set(dir(package))
    in_order = sorted(set(package.__all__), key=lambda name: (name[0].islower(), name))
    assert package.__all__ == in_order  # classes before functions


def test_completion_shows_what_a_program_needs() -> None:
    names = {*firecrawl_interact.__all__, "Request", "Response"}
    for name in names:
        home = core if name in core.__all__ else adapters
        assert getattr(firecrawl_interact, name) is getattr(home, name)
    assert {*vars(adapters)["__all__"]} <= names
    assert {*dir(firecrawl_interact)} == names


def test_a_star_replaces_no_class_of_a_web_framework() -> None:
    run(
        "Request = Response = None\nfrom firecrawl_interact import *\n"
        "assert (Request, Response) == (None, None)\n"
        "from firecrawl_interact import Request, Response\nassert Request and Response"
    )


def test_a_name_that_only_core_has_is_not_in_the_package() -> None:
    words = r"module 'firecrawl_interact' has no attribute 'Call'"
    with pytest.raises(AttributeError, match=words):
        exec("firecrawl_interact.Call")  # noqa: S102 - our words
    assert not hasattr(firecrawl_interact, "Call")


def test_the_package_knows_its_version_and_runs_the_command() -> None:
    assert firecrawl_interact.__version__ == version("firecrawl-interact")
    run("import firecrawl_interact, sys; assert 'importlib.metadata' not in sys.modules")
    run(
        "import firecrawl_interact, importlib.metadata as metadata\n"
        "metadata.version = lambda name: metadata.distribution('none of this name')\n"
        "assert not hasattr(firecrawl_interact, '__version__')  # as in a frozen program"
    )
    arguments = [sys.executable, "-m", "firecrawl_interact", "--version"]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    assert done.stdout == f"firecrawl-interact {firecrawl_interact.__version__}\n"


def test_a_name_that_is_not_there_is_an_ordinary_error() -> None:
    for package in (firecrawl_interact, adapters):
        words = f"module '{package.__name__}' has no attribute 'NoSuchTransport'"
        with pytest.raises(AttributeError, match=words):
            exec("package.NoSuchTransport")  # noqa: S102 - our words
