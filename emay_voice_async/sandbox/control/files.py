"""The files of the page, out of the package."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

__all__ = ["PageFile", "page_files"]

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@frozen
class PageFile:
    """A file of a page, and its content type."""

    body: bytes = field(repr=False)
    content_type: str


@cache
def page_files(package: str) -> Mapping[str, PageFile]:
    """Return the files of a page by name; ``package`` is the folder of the files as a dotted name."""
    parent, _, folder = package.rpartition(".")
    return MappingProxyType(
        {
            one.name: PageFile(one.read_bytes(), _TYPES[one.name.rpartition(".")[2]])
            for one in files(parent).joinpath(folder).iterdir()
        }
    )
