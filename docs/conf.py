"""How the documentation is built."""

from importlib.metadata import version as version_of

project = "firecrawl-interact"
author = "firecrawl-interact contributors"
project_copyright = f"2026, {author}"
release = version = version_of(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
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

# The docstrings put names in single backticks: they become links where there is a page for it.
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "special-members": "__call__",
    # What the library's own bases bring is listed with each class, and what errors share is not.
    "inherited-members": "BaseException, DeleteSessionError, FirecrawlInteractError, Generic,"
    "Mapping, OSError, Protocol, ResponseError, Struct, TransportError, ValueError, object, str",
}
autodoc_use_type_comments = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True
