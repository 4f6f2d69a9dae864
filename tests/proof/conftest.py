"""What several parts of the proof need."""

import logging
from collections.abc import Callable

import pytest

from .figures import NoteFigure, check_figure


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads a million retries, and each would cost more than the call."""
    caplog.set_level(logging.CRITICAL, logger="firecrawl_interact")


@pytest.fixture
def note_figure(record_property: Callable[[str, object], None]) -> NoteFigure:
    """Print a figure that was counted, and hold the page to it."""

    def note(what: str, figure: object) -> None:
        text = f"{figure:,}" if isinstance(figure, int) else str(figure)
        record_property(what, text)
        check_figure(what, text)

    return note


class Figures:
    """Prints each figure as it was counted, in whatever process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.when == "call" and terminal is not None:
            for what, figure in report.user_properties:
                terminal.write_line(f"{what}: {figure}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # A worker hands its figures on.
        config.pluginmanager.register(Figures(config))
