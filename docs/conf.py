"""The configuration of the documentation site. `make docs` builds it into build/docs, without the network.

Warnings are errors. References to Python's own documentation are resolved with the inventory of Debian's package
python3-doc. Where it is not installed they stay plain text, and unresolved names are not reported.
"""

import os
import pathlib
import re
from typing import Any

# Compiled functions have no annotations; the choice is made at import.
os.environ["SLUICEWAY_PURE"] = "1"
os.environ["SLUICEWAY_ENGINE"] = "loop"

from click.testing import CliRunner
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext import intersphinx
from sphinx.util.docutils import SphinxDirective

import sluiceway
from sluiceway.cli.application import application


def python_inventory() -> pathlib.Path | None:
    """Return the inventory of Python's documentation that is installed on this machine, of the newest version."""
    found = {
        int(match[1]): path
        for path in pathlib.Path("/usr/share/doc").glob("python3.*/html/objects.inv")
        if (match := re.fullmatch(r"python3\.(\d+)", path.parts[-3]))
    }
    return found[max(found)] if found else None


def use_public_name(app: Sphinx, env: BuildEnvironment, node: Any, contnode: Any) -> Any:
    """Resolve a reference to a class of the standard library by its public name; annotations have private ones."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    top = module.partition(".")[0]
    public = {"asyncio": "asyncio", "_asyncio": "asyncio", "ssl_module": "ssl", "_ssl": "ssl"}.get(top)
    if public is None:
        return None
    node["reftarget"] = f"{public}.{name}"
    return intersphinx.missing_reference(app, env, node, contnode)


def write_signature(
    app: Sphinx, kind: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write defaults as source text, which Sphinx can read, and types by names that a reader of the page knows."""
    if signature is not None:
        # For example <AddressFamily.AF_UNSPEC: 0>.
        signature = re.sub(r"<\w+\.(\w+): \d+>", r"socket.\1", signature)
        # A class of sluiceway derives from asyncio's class of the same name.
        signature = re.sub(r"[\w.~]*\.(\w+) \| ([\w.~]*\.\1)\b", r"\2", signature)
    if returns is not None and returns.endswith("._Installed"):
        returns = "~contextlib.AbstractContextManager[None]"
    return signature, returns


def write_links(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Write links in place of the addresses and the paths of documents that docstrings have."""
    for number, line in enumerate(lines):
        linked = re.sub(r"``(\w+)(?:\(\))?``", link_to_member, line) if thing is sluiceway.Stream else line
        linked = re.sub(r"^( *)Source: (https://\S+)$", r"\1`asyncio's documentation <\2>`__", linked)
        lines[number] = re.sub(r"\bdocs/(\S+)\.md\b", r":doc:`/\1`", linked)


def link_to_member(name: re.Match[str]) -> str:
    """Return the link to a member of Stream, or to a function of sluiceway. Return other text as it is."""
    target = f"Stream.{name[1]}" if hasattr(sluiceway.Stream, name[1]) else name[1]
    if target == name[1] and name[1] not in sluiceway.__all__:
        return name[0]
    return f":py:obj:`{name[0].strip('`')} <sluiceway.{target}>`"


class CommandHelp(SphinxDirective):
    """The help of ``sluiceway``, or of the command that is the argument."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        arguments = [*self.arguments, "--help"]
        result = CliRunner().invoke(application, arguments, prog_name="sluiceway", terminal_width=80)
        if result.exit_code:
            raise self.error(result.output)
        return [nodes.literal_block(result.output, result.output, language="text")]


def setup(app: Sphinx) -> None:
    app.add_directive("command-help", CommandHelp)
    app.connect("autodoc-process-signature", write_signature)
    app.connect("autodoc-process-docstring", write_links)
    app.connect("missing-reference", use_public_name)


project = "sluiceway"
author = "the authors of sluiceway"
project_copyright = author
version = release = sluiceway.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.intersphinx"]
templates_path: list[str] = []
exclude_patterns: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

napoleon_numpy_docstring = False
# The types in docstrings are prose, such as "a bytes-like object": they refer to nothing.
napoleon_use_param = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False

inventory = python_inventory()
intersphinx_mapping = {"python": ("https://docs.python.org/3", str(inventory))} if inventory else {}
nitpicky = inventory is not None
# Type aliases of the package, which modules import for type checkers only.
nitpick_ignore = [("py:class", name) for name in ("BytesLike", "EofReason", "Policy")]

html_theme = "furo"
html_title = f"sluiceway {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
