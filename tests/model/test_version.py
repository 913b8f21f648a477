"""The version: one text for the package, the command line and the distribution."""

import re

from emay_voice_async import __version__
from emay_voice_async.model import version


def test_the_version() -> None:
    """The version at the front door is that of the module, and a version of a release."""
    assert __version__ == version.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?", __version__)
