"""Computed metadata of the distributions: addresses, and the README with links that hold on a package index."""

import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

HOME: Final = "https://github.com/emay-voice-async/emay_voice_async"
"""The address of the repository, written here only. Set it before the first release."""

_LINK: Final = re.compile(r"<(?![a-z]+:)([^<>\s]+)>`_")
"""The target of a reStructuredText link that is relative to the repository."""


def with_absolute_links(page: str, version: str) -> str:
    """Return a page of the repository whose links lead to the files of a release."""
    return _LINK.sub(rf"<{HOME}/blob/v{version}/\1>`_", page)


class MetadataHook(MetadataHookInterface):
    """Adds ``urls`` and ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Compute the metadata."""
        readme = Path(self.root, "README.rst").read_text("utf-8")
        text = with_absolute_links(readme, metadata["version"])
        metadata["readme"] = {"content-type": "text/x-rst", "text": text}
        metadata["urls"] = {
            "Homepage": HOME,
            "Documentation": f"{HOME}/blob/main/docs/index.rst",
            "Changelog": f"{HOME}/blob/main/CHANGELOG.rst",
            "Issues": f"{HOME}/issues",
            "Security": f"{HOME}/blob/main/docs/security.rst",
            "Source": HOME,
        }
