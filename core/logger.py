"""The library's one logger, `firecrawl_interact`. It is made when the first line is logged."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


class _Logger:
    def __getattr__(self, name: str) -> object:
        # It takes 6 ms, with threading. Transports bring both, and whoever reads the lines.
        import logging  # noqa: PLC0415

        library = logging.getLogger("firecrawl_interact")
        library.addHandler(logging.NullHandler())  # Silent until the application says otherwise.
        method: object = getattr(library, name)
        setattr(self, name, method)
        return method


logger: "logging.Logger" = _Logger()  # type: ignore[assignment]  # its methods are all one needs
