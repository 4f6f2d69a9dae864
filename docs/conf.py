"""How the documentation is built."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

project = "firecrawl-interact"
author = "firecrawl-interact contributors"
project_copyright = f"2026, {author}"
release = version = version_of(project)

sys.path.append(str(Path(__file__).parent))
extensions = ["llms_txt", "myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {version}"
html_show_sphinx = False

# The docstrings put names in single backticks: they become links where there is a page for it.
default_role = "py:obj"
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "undoc-members": True, "special-members": "__call__"}

# Any: Sphinx 9.0, the last for Python 3.11, types the parameter that takes it more narrowly.
google_style: Any = Config(napoleon_use_rtype=False)


def read_google_style(  # noqa: PLR0913, PLR0917 - what Sphinx passes
    app: Sphinx, what: str, name: str, documented: object, options: object, lines: list[str]
) -> None:
    """Turn a docstring's sections into what Sphinx understands.

    The extension would do the same, but reads an attribute's text up to a colon as its type.
    """
    docstring = GoogleDocstring(lines, google_style, app, "object", name, documented, options)
    lines[:] = docstring.lines()


def setup(app: Sphinx) -> None:
    """Register it."""
    app.connect("autodoc-process-docstring", read_google_style)
