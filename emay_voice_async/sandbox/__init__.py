"""A local Emay service for demos and tests: ``pip install "emay_voice_async[sandbox]"``.

The rules of the service are written independently of the client, with only the facts of the API
document in common (endpoints, codes, limits), so that they do not share the client's mistakes.
"""

from emay_voice_async.model.extras import missing_extra

try:
    import fastjsonschema  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(missing_extra(_error.name, "sandbox"), name=_error.name) from _error

from emay_voice_async.sandbox.accounts import Account, ServiceType
from emay_voice_async.sandbox.facade import Sandbox
from emay_voice_async.sandbox.faults import Fault, Faults
from emay_voice_async.sandbox.outcomes import MAGIC_NUMBERS, Callees, Outcome
from emay_voice_async.sandbox.pushing import Delivery
from emay_voice_async.sandbox.record import CallResult, MadeCall, Received
from emay_voice_async.sandbox.speed import Limit, Limits

__all__ = [
    "MAGIC_NUMBERS",
    "Account",
    "CallResult",
    "Callees",
    "Delivery",
    "Fault",
    "Faults",
    "Limit",
    "Limits",
    "MadeCall",
    "Outcome",
    "Received",
    "Sandbox",
    "ServiceType",
]
