"""What is built, built once."""

from pathlib import Path

import pytest

from .builds import build, copy_sources


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a source distribution and a wheel."""
    return build(copy_sources(tmp_path_factory.mktemp("source")))
