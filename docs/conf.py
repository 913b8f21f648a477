"""Settings of the documentation: English in ``docs``, Chinese in ``docs/zh``, with one set of settings."""

from importlib.metadata import version as _version

project = "emay_voice_async"
author = "The emay_voice_async developers"
copyright = "2026, " + author  # noqa: A001 - the name is Sphinx's
release = version = _version("emay_voice_async")

extensions = ["sphinx.ext.autodoc", "sphinx_click", "sphinx_copybutton"]
# The English pages are built from docs, the Chinese pages from docs/zh.
exclude_patterns = ["zh", "examples"]
html_theme = "furo"
html_title = "Emay voice for asyncio"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_show_sphinx = False
html_copy_source = False
copybutton_prompt_text = "$ "
highlight_language = "none"
nitpicky = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "undoc-members": False}

# References to other projects and to names that are not public stay plain text.
nitpick_ignore_regex = [("py:.*", ".*")]
