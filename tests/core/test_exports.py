"""The names that users import."""

import inspect
from importlib import import_module

import msgspec
import pytest

from firecrawl_interact import core

# The other modules are machinery: their names are not for users.
FOR_USERS = [
    import_module(f"{core.__name__}.{name}")
    for name in (
        "conversation",
        "delete_many_sessions",
        "delete_session",
        "errors",
        "headers",
        "journal",
        "on_exit",
        "opening",
        "receipt",
        "retry",
        "transport",
    )
]


def in_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by name."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


def test_a_name_that_is_not_there_is_an_ordinary_attribute_error() -> None:
    name = "DeleteEverything"
    with pytest.raises(AttributeError, match=f"core' has no attribute '{name}'"):
        getattr(core, name)


def test_completion_knows_names_that_are_not_imported_yet() -> None:
    assert set(core.__all__) <= set(dir(core))


def test_every_name_can_be_imported() -> None:
    for name in core.__all__:
        assert getattr(core, name) is not None


def test_the_names_are_sorted_and_come_once() -> None:
    assert core.__all__ == sorted(set(core.__all__), key=in_order)


def test_every_public_class_is_handed_on() -> None:
    defined = {
        name
        for module in FOR_USERS
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and name[0] != "_"
    }
    assert defined - set(core.__all__) == set()


def test_every_name_is_ours_and_says_what_it_is_for() -> None:
    for name in core.__all__:
        value = getattr(core, name)
        if inspect.isclass(value):
            assert value.__module__.startswith("firecrawl_interact.core."), name
            assert value.__doc__, name


def test_no_value_that_users_get_can_be_changed() -> None:
    classes = [one for name in core.__all__ if inspect.isclass(one := getattr(core, name))]
    structs = [one for one in classes if issubclass(one, msgspec.Struct)]
    assert {core.Request, core.Response, core.DeletionReceipt, core.RetryPolicy, core.Send} <= {
        *structs
    }
    assert [kind for kind in structs if not kind.__struct_config__.frozen] == []


def test_both_use_cases_are_called_alike() -> None:
    blocking, awaited = core.DeleteSession, core.AsyncDeleteSession
    assert list(inspect.signature(blocking).parameters) == [
        "transport",
        "api_key",
        "retry",
        "headers",
        "journal",
        "random",
    ]
    assert list(inspect.signature(awaited).parameters) == list(
        inspect.signature(blocking).parameters
    )
    assert inspect.signature(blocking.__call__) == inspect.signature(awaited.__call__)
