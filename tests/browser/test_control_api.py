"""A fuzzer that follows the OpenAPI document."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from sandbox.control.asking import call, still
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance

LOCAL = still(report_delay=1e9, keep=100, allowed_hosts=["testserver"])
SCHEMA = schemathesis.openapi.from_asgi("/_sandbox/openapi.json", LOCAL.app)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]


@pytest.mark.slow
# A stream has no end, and a push leaves the process.
@SCHEMA.exclude(path_regex="/(events|push)$").parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_fuzzing(case: Any) -> None:
    """Requests made from the document, right and wrong, get no 500 and no status that it does not list."""
    LOCAL.reset()
    [message_id] = call(LOCAL)
    if case.path_parameters.get("message_id") == "20180427000000000000":
        case.path_parameters["message_id"] = message_id
    case.call_and_validate(checks=CHECKS)


def test_it_goes_on() -> None:
    """After the fuzzer a send is answered."""
    LOCAL.reset()
    assert call(LOCAL)
