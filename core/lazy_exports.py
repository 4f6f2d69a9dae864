"""Exports of a package that are imported when they are used (PEP 562)."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def lazy_exports(
    package: str, exports: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package.

    Args:
        package: the name of the package.
        exports: the names that each of its modules gives it.
    """
    module_of = {name: module for module, names in exports.items() for name in names}

    def get_attribute(name: str) -> object:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(module_of[name], package), name)
        setattr(import_module(package), name, value)
        return value

    return get_attribute, lambda: sorted(module_of)
