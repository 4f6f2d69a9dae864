"""How the documentation is built."""

import re
from importlib.metadata import version as version_of
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

import firecrawl_interact
from firecrawl_interact import core

project = "firecrawl-interact"
author = "firecrawl-interact contributors"
project_copyright = f"2026, {author}"
release = version = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["alert"]  # > [!NOTE], as on GitHub
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_theme_options = {
    "light_css_variables": {
        "code-frame": "#f2f2f2",  # what Pygments draws behind code
        "admonition-font-size": "0.9rem",
        "admonition-title-font-size": "0.9rem",
    },
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

# The docstrings put names in single backticks: they become links where there is a page for it.
default_role = "py:obj"
add_module_names = False
autoclass_content = "both"  # Those of the transports are documented in `__init__`.
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_use_type_comments = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True
python_maximum_signature_line_length = 80  # Beyond, each argument has a line of its own.

# Where each public name is documented.
HOMES = {
    **dict.fromkeys(core.__all__, "firecrawl_interact.core"),
    **dict.fromkeys(dir(firecrawl_interact), "firecrawl_interact"),
}

# What autodoc spells out, and what a reader knows it by. Two type variables stand for the blocking
# and the awaited class, and a scope without an opener gives itself to its block.
FAULTS = "Reply | NoConnection | NoResponse | LostResponse"
SPELT_OUT = {
    r"(~\w+\.(?:Async)?SessionScope)\[(?:\1\[~typing\.Any\]|~typing\.Any)\]": r"\1",
    r"(~\w+\.)DeletionReceipt \| \1DeleteSessionError": r"\1Outcome",
    r" \| ".join(rf"~\w+\.{fault}" for fault in FAULTS.split(" | ")): "~firecrawl_interact.Fault",
}
PRIVATE_DEFAULTS = "_random", "id_of_opened"
MADE_BY_THE_LIBRARY = {
    *("AsyncDeletions", "AsyncSessionScope", "Deletions", "Pause", "RequestHeaders", "SessionScope")
}


def readable(annotation: str, prefix: str) -> str:
    """Name classes as users import them, and spell out no union that has a name."""
    for variable, kind in ("TransportT", "Transport"), ("DeleteSessionT", "DeleteSession"):
        annotation = re.sub(rf"(~[\w.]+\.){variable}\b", rf"\1{prefix}{kind}", annotation)
    annotation = re.sub(
        r"~firecrawl_interact\.[\w.]+\.(\w+)",
        lambda found: f"~{HOMES.get(found[1], 'firecrawl_interact')}.{found[1]}",
        annotation,
    )
    for pattern, name in SPELT_OUT.items():
        annotation = re.sub(pattern, name, annotation)
    return annotation


def readable_signature(  # noqa: PLR0913, PLR0917 - what autodoc passes
    app: object,
    kind: str,
    name: str,
    obj: object,
    options: object,
    arguments: str | None,
    result: str | None,
) -> tuple[str, str | None] | None:
    """Leave out a constructor that users do not call, and use public names in the others."""
    if arguments is None:
        return None
    is_test = ".test_" in name
    is_protocol = getattr(obj, "_is_protocol", False)
    is_made_for_users = name.rpartition(".")[2] in MADE_BY_THE_LIBRARY
    if kind == "exception" or is_protocol or is_made_for_users or is_test:
        return "", None
    prefix = "Async" if ".Async" in name else ""
    return readable(arguments, prefix), result and readable(result, prefix)


def link_to_home(app: Any, env: Any, node: Any, shown: Any) -> Any:  # Any: Sphinx's own
    """Let a name lead to the page that documents it, whatever module a docstring is in."""
    if node.get("refdomain") != "py":
        return None
    parts = node["reftarget"].split(".")
    while parts and parts[0] not in HOMES:
        parts.pop(0)
    if not parts:
        return None
    target = ".".join([HOMES[parts[0]], *parts])
    found = env.domains.python_domain.find_obj(env, "", "", target, None)
    if not found:
        return None
    [(name, entry)] = found
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown, name)


def hide_private_defaults(app: object, doctree: nodes.document, page: str) -> None:
    """Show that an argument has a default, and no name that cannot be imported."""
    for text in list(doctree.findall(nodes.Text)):
        if text in PRIVATE_DEFAULTS:
            text.parent.replace(text, nodes.Text("..."))


def stack_tables(app: object, doctree: nodes.document, page: str) -> None:
    """Let a table of words be a list on a phone, where each cell has the header of its column."""
    for table in doctree.findall(nodes.table):
        [header] = table.findall(nodes.thead)
        titles = [cell.astext() for cell in header.findall(nodes.entry)]
        has_figures = any("text-right" in cell["classes"] for cell in table.findall(nodes.entry))
        if len(titles) < 3 or has_figures:
            continue
        table["classes"].append("stacks")
        [body] = table.findall(nodes.tbody)
        for row in body.findall(nodes.row):
            cells = row.findall(nodes.entry)
            next(cells)  # The first one names the row.
            for title, cell in zip(titles[1:], cells, strict=True):
                paragraph = cell.next_node(nodes.paragraph)
                if paragraph and cell.astext():
                    paragraph.insert(0, nodes.inline(text=title, classes=["column"]))


def setup(app: Any) -> None:  # Any: a Sphinx
    """Connect them."""
    app.connect("autodoc-process-signature", readable_signature)
    app.connect("missing-reference", link_to_home)
    app.connect("doctree-resolved", hide_private_defaults)
    app.connect("doctree-resolved", stack_tables)
