"""How the documentation is built."""

import re
from importlib.metadata import version as version_of
from types import UnionType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

from firecrawl_interact import adapters, core
from firecrawl_interact.adapters import conformance

project = "firecrawl-interact"
author = "firecrawl-interact contributors"
project_copyright = f"2026, {author}"
release = version = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_theme_options = {
    "light_css_variables": {"code-frame": "#f2f2f2"},  # what Pygments draws behind code
    "dark_css_variables": {"code-frame": "#0d1117"},
}
html_show_sphinx = False
html_use_index = False
html_domain_indices = False
html_static_path = ["_static"]
html_css_files = ["readable.css"]
pygments_dark_style = "github-dark"  # Furo's own underlines the names of modules, like links.

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_exclude = ".linenos, .gp, .go"

# The docstrings put names in single backticks: they become links where there is a page for it.
default_role = "py:obj"
autoclass_content = "class"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_default_options = {"undoc-members": True}
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True

# Any: Sphinx 9.0, the last for Python 3.11, types the parameter that takes it more narrowly.
google_style: Any = Config(napoleon_use_rtype=False)

PUBLIC = {getattr(package, name) for package in (core, adapters) for name in package.__all__}
MADE_BY_THE_LIBRARY = (
    adapters.LeftAlone,
    conformance.Case,
    conformance.JournalCase,
    conformance.Report,
    conformance.Severity,
    core.AsyncOpening,
    core.AsyncDeletions,
    core.AsyncTransport,
    core.DeletionReceipt,
    core.HasId,
    core.Deletions,
    core.Journal,
    core.JournalError,
    core.Opening,
    core.RunEndedError,
    core.Pause,
    core.Recorder,
    core.SessionFate,
    core.Transport,
    core.TransportError,
)
"""Nobody else calls their constructors, so the reference does not show how."""


class Docstring(GoogleDocstring):
    """A docstring in Google's style, whose *Returns* is prose: the signature has the type."""

    def _consume_returns_section(
        self, preprocess_types: bool = False
    ) -> list[tuple[str, str, list[str]]]:
        """Take the whole section for a description. Up to a colon, it would pass for a type."""
        return [("", "", self._dedent(self._consume_to_next_section()))]


def read_google_style(  # noqa: PLR0913, PLR0917 - what Sphinx passes
    app: Sphinx, what: str, name: str, documented: object, options: object, lines: list[str]
) -> None:
    """Turn a docstring's sections into what Sphinx understands.

    The extension would do the same, but reads an attribute's text up to a colon as its type.
    """
    if isinstance(documented, UnionType):  # The text beside it is not found from the package.
        lines[:] = [f"alias of {' | '.join(f'`{one.__name__}`' for one in documented.__args__)}"]
    docstring = Docstring(lines, google_style, app, "object", name, documented, options)
    lines[:] = docstring.lines()


def show_public_names(  # noqa: PLR0913, PLR0917 - what Sphinx passes
    app: Sphinx,
    what: str,
    name: str,
    documented: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Leave out the constructors that no user calls, and private names of defaults."""
    is_error = isinstance(documented, type) and issubclass(documented, core.DeleteSessionError)
    if signature is not None and (is_error or documented in MADE_BY_THE_LIBRARY):
        return "", None
    if signature is not None:
        signature = re.sub(r"= ?_random\b", "= random.random", signature)
    return signature, returns


STANDS_FOR = {
    "BlockT": ("Opening", "AsyncOpening"),
    "CaseT": ("Case", "Case"),
    "DeleteSessionT": ("DeleteSession", "AsyncDeleteSession"),
    "HasIdT": ("HasId", "HasId"),
    "TransportT": ("Transport", "AsyncTransport"),
}
"""What a variable of types stands for, in what blocks and in what is awaited."""


def show_no_variables(app: Sphinx, doctree: nodes.document) -> None:
    """Show in signatures what a reader can import, and not a variable of ours."""
    for signature in doctree.findall(addnodes.desc_signature):
        is_awaited = any(".Async" in name for name in signature["ids"])
        for text in list(signature.findall(nodes.Text)):
            if text in STANDS_FOR:
                text.parent.replace(text, nodes.Text(STANDS_FOR[text][is_awaited]))


def show_public_bases(
    app: Sphinx, name: str, documented: type, options: object, bases: list[type]
) -> None:
    """Show the errors that a class is one of, and no class that is not for users."""
    ancestors = [
        base
        for base in documented.__mro__[1:]
        if issubclass(base, Exception) and (base in PUBLIC or base.__module__ == "builtins")
    ]
    nearest = [
        base
        for base in ancestors
        if not any(base in other.__mro__[1:] for other in ancestors if other is not base)
    ]
    bases[:] = nearest


def find_public_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Lead from a docstring of one package to a name of the other."""
    for package in (core, adapters, conformance):
        if node["reftarget"] in package.__all__:
            name = f"{package.__name__}.{node['reftarget']}"
            python = env.domains["py"]
            return python.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)
    return None


def name_language(
    app: Sphinx, page: str, template: str, context: dict[str, object], doctree: object
) -> None:
    """Let a Japanese page say that it is one: screen readers and fonts depend on it."""
    if page == "ja" or page.endswith(".ja"):
        context["language"] = "ja"


def setup(app: Sphinx) -> None:
    """Register it."""
    app.connect("html-page-context", name_language)
    app.connect("autodoc-process-docstring", read_google_style)
    app.connect("autodoc-process-signature", show_public_names)
    app.connect("autodoc-process-bases", show_public_bases)
    app.connect("doctree-read", show_no_variables)
    app.connect("missing-reference", find_public_name)
