"""Importing is cheap, and an absent extra is no error until its class is asked for."""

import subprocess
import sys

import pytest

from firecrawl_interact import adapters

LIBRARIES = {"aiohttp", "click", "psycopg", "rich", "trustme", "urllib3"}


def libraries_after(statement: str) -> set[str]:
    """The libraries that a new interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*(name for name in {LIBRARIES} if name in sys.modules))"
    return set(run(code).split())


def run(code: str) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_core_loads_what_runs_need_when_it_is_asked_for() -> None:
    loaded = "print('firecrawl_interact.core.scheduler' in sys.modules)"
    use = f"{loaded}\ncore.DeleteManySessions\n{loaded}"
    assert run(f"import sys\nfrom firecrawl_interact import core\n{use}").split() == [
        "False",
        "True",
    ]


def test_a_name_that_the_core_has_not_is_an_ordinary_error() -> None:
    code = (
        "from firecrawl_interact import core\nprint(hasattr(core, 'Nothing'), 'Pause' in dir(core))"
    )
    assert run(code).split() == ["False", "True"]


def test_adapters_load_nothing_before_a_class_is_asked_for() -> None:
    assert libraries_after("import firecrawl_interact.adapters") == set()


def test_the_default_transport_loads_urllib3_alone() -> None:
    statement = "from firecrawl_interact.adapters import Urllib3Transport"
    assert libraries_after(statement) == {"urllib3"}


def test_the_asynchronous_transport_loads_aiohttp_alone() -> None:
    statement = "from firecrawl_interact.adapters import AiohttpTransport"
    assert libraries_after(statement) == {"aiohttp"}


WITHOUT_AIOHTTP = """
import sys
sys.modules["aiohttp"] = None  # as if it were not installed
from firecrawl_interact import adapters
"""


@pytest.mark.parametrize(
    "use",
    [
        "AiohttpTransport()",
        "AiohttpTransport('https://x')",
        "async_delete_session_from_environment()",
    ],
)
def test_using_a_class_whose_extra_is_absent_says_what_to_install(use: str) -> None:
    code = f"{WITHOUT_AIOHTTP}\ntry:\n    adapters.{use}\nexcept ImportError as error: print(error)"
    expected = 'AiohttpTransport needs aiohttp: pip install "firecrawl-interact[aiohttp]"'
    assert run(code).strip() == expected


@pytest.mark.parametrize(
    "look",
    {
        "help": "assert 'FakeService' in __import__('pydoc').render_doc(adapters)",
        "help of the class": "__import__('pydoc').render_doc(adapters.AiohttpTransport)",
        "completion": "assert '.AiohttpTransport' in __import__('rlcompleter').Completer("
        "{'adapters': adapters}).attr_matches('adapters.Aio')[0]",
        "hasattr": "assert hasattr(adapters, 'AiohttpTransport')",
        "getmembers": "assert 'AiohttpTransport' in dict("
        "__import__('inspect').getmembers(adapters))",
        "autospec": "from unittest import mock; mock.create_autospec(adapters)",
        "autospec of the class": "from unittest import mock;"
        " mock.create_autospec(adapters.AiohttpTransport)",
        "import *": "from firecrawl_interact.adapters import *; FakeService()",
        "identity": "assert adapters.AiohttpTransport is adapters.AiohttpTransport",
    }.items(),
    ids=lambda look: look[0],
)
def test_looking_at_the_adapters_works_whose_extra_is_absent_too(
    look: tuple[str, str],
) -> None:
    run(f"{WITHOUT_AIOHTTP}\n{look[1]}")


def test_the_fake_loads_no_library() -> None:
    statement = "from firecrawl_interact.adapters import FakeService, InMemoryTransport"
    assert libraries_after(statement) == set()


def test_every_public_name_can_be_imported_and_is_listed() -> None:
    for name in adapters.__all__:
        assert getattr(adapters, name).__doc__
    assert set(adapters.__all__) <= set(dir(adapters))


def test_the_public_names_are_sorted_and_come_once() -> None:
    def order(name: str) -> tuple[bool, str]:
        return name[0].islower(), name  # classes before functions

    assert adapters.__all__ == sorted(set(adapters.__all__), key=order)


def test_a_name_that_is_not_there_is_an_ordinary_import_error() -> None:
    with pytest.raises(ImportError, match="NoSuchTransport"):
        exec("from firecrawl_interact.adapters import NoSuchTransport")  # noqa: S102 - our words
