"""The OpenAPI document."""

import re

from openapi_spec_validator import OpenAPIV31SpecValidator

from emay_voice_async.sandbox.control.app import DESCRIBED
from sandbox.control.asking import ask, still

DOCUMENT = ask(still().app, "GET", "openapi.json").json()


def test_it_is_valid() -> None:
    """The document is OpenAPI 3.1, and names every operation once."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    operations = [one["operationId"] for path in DOCUMENT["paths"].values() for one in path.values()]
    assert sorted(operations) == sorted(DESCRIBED)
    assert all(one["summary"].endswith(".") for path in DOCUMENT["paths"].values() for one in path.values())


def test_it_names_the_paths() -> None:
    """The paths are those of the guide."""
    assert {re.sub("^/_sandbox", "", path) for path in DOCUMENT["paths"]} == {
        "/state",
        "/events",
        "/meanings",
        "/calls/{message_id}",
        "/requests/{place}",
        "/faults",
        "/push",
        "/account",
        "/settings",
        "/reset",
        "/record",
    }
