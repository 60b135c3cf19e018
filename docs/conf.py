"""The site: `sphinx-build -W -n docs site`, offline. Pages are MyST Markdown; their code is run as they are built."""

import sys
from pathlib import Path

import minigrad

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "minigrad"
copyright = "the minigrad authors, MIT licence"
release = version = minigrad.__version__
extensions = [
    "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode",
    "docstrings", "elsewhere", "examples", "mathml", "notebooks", "pictures", "players", "public",
]  # fmt: skip
exclude_patterns = ["_ext", "_static", "reference/examples"]
nitpicky = True
nitpick_ignore = [("py:class", "numpy.linalg.LinAlgError")]

myst_enable_extensions = ["dollarmath", "deflist", "attrs_block", "attrs_inline", "colon_fence"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_timeout = 180  # seconds a cell
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_code_prompt_show = "Show the solution"
nb_code_prompt_hide = "Hide the solution"
nb_mime_priority_overrides = [("html", "image/svg+xml", 0), ("html", "text/html", 10)]

autodoc_typehints = "none"
autodoc_preserve_defaults = True  # np.float32, not <class 'numpy.float32'>
autodoc_member_order = "bysource"
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "minigrad"
html_static_path = ["_static"]
html_css_files, html_js_files, html_favicon = ["site.css"], ["site.js"], "_static/icon.svg"
html_theme_options = {
    "source_repository": "",
    "light_css_variables": {"color-brand-primary": "#08519c", "color-brand-content": "#08519c"},
    "dark_css_variables": {"color-brand-primary": "#9ecae1", "color-brand-content": "#9ecae1"},
}
html_copy_source = False
html_show_sphinx = False
