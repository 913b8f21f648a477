"""The control API of the local service and its page: all that the Python object can do, as JSON over HTTP."""

from emay_voice_async.sandbox.control.app import ControlApp

__all__ = ["ControlApp"]
