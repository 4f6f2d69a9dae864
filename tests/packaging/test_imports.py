"""Importing is cheap, and brings a library when its class is asked for."""

import subprocess
import sys

import pytest

from firecrawl_interact import adapters

LIBRARIES = {"asyncio", "click", "fcntl", "http.client", "http.server"}
LIBRARIES |= {"psycopg", "ssl", "trustme", "urllib3"}
LOOKS = {
    "help": "assert 'FakeService' in __import__('pydoc').render_doc(adapters)",
    "help of the class": "__import__('pydoc').render_doc(adapters.AsyncioTransport)",
    "completion": "assert '.AsyncioTransport' in __import__('rlcompleter').Completer("
    "{'adapters': adapters}).attr_matches('adapters.Asyncio')[0]",
    "getmembers": "assert 'AsyncioTransport' in dict(__import__('inspect').getmembers(adapters))",
    "autospec": "from unittest import mock; mock.create_autospec(adapters)",
    "autospec of the class": "from unittest import mock;"
    " mock.create_autospec(adapters.AsyncioTransport)",
    "import * without fcntl, as on Windows, and without psycopg": "import asyncio, http.server,"
    " ssl, sys, urllib3; sys.platform = 'win32'; sys.modules.update(fcntl=None, psycopg=None);"
    " from firecrawl_interact.adapters import *; FakeService()",
}


def run(code: str, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("name", "loads"),
    [
        ("core", ""),
        ("adapters", ""),
        ("adapters import FakeService, InMemoryTransport", ""),
        ("adapters import Urllib3Transport", "http.client ssl urllib3"),
        # asyncio brings fcntl, on Unix.
        ("adapters import AsyncioTransport", "asyncio fcntl ssl"),
    ],
)
def test_a_library_is_loaded_when_its_class_is_asked_for(name: str, loads: str) -> None:
    statement = f"{'from' if ' ' in name else 'import'} firecrawl_interact.{name}"
    # What Python itself has loaded is no concern: since 3.14, pathlib brings fcntl.
    loaded = run(
        f"import sys; before = {{*sys.modules}}\n{statement}\n"
        f"print(*{LIBRARIES}.intersection({{*sys.modules}} - before))"
    )
    assert set(loaded.split()) <= set(loads.split())


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_looking_at_the_adapters_works(look: str) -> None:
    run(f"from firecrawl_interact import adapters\n{look}")


def test_everything_can_be_imported_without_docstrings() -> None:
    modules = ("core", "adapters", "adapters.conformance")
    run("\n".join(f"from firecrawl_interact.{module} import *" for module in modules), "-OO")


def test_every_public_name_can_be_imported_and_is_listed_once_in_order() -> None:
    def order(name: str) -> tuple[bool, str]:
        return name[0].islower(), name  # classes before functions

    assert all(getattr(adapters, name).__doc__ for name in adapters.__all__)
    classes = {name for name, value in vars(adapters).items() if isinstance(value, type)}
    assert classes <= set(adapters.__all__) <= set(dir(adapters))
    assert adapters.__all__ == sorted(set(adapters.__all__), key=order)


def test_a_name_that_is_not_there_is_an_ordinary_error() -> None:
    words = "module 'firecrawl_interact.adapters' has no attribute 'NoSuchTransport'"
    with pytest.raises(AttributeError, match=words):
        exec("adapters.NoSuchTransport")  # noqa: S102 - our words
