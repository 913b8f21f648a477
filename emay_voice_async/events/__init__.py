"""The events of a client and of a receiver, with ids, counts, codes and seconds.

Pass a function as ``on_event=`` to ``AsyncEmayVoice`` or ``PushReceiver``. The function is called in the event loop, at
the moment of the event, with a value of the classes below. It must return at once: until then no request and no
response of the process is handled. An exception is logged, at most once a minute for each kind of event, and has no
other effect.

No event holds a phone number, a custom id, a message id, content or a secret. Each name is imported at its first use.
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from emay_voice_async.events.fields import log_fields
    from emay_voice_async.events.handlers import EventHandlers, OnEvent
    from emay_voice_async.events.values import (
        BatchEnded,
        DuplicatesSkipped,
        Event,
        LateAnswer,
        OutcomeName,
        PushAnswered,
        PushEvent,
        PushReceived,
        PushRejected,
        ReportsTaken,
        RequestAnswered,
        RequestEvent,
        RequestNotSent,
        RequestRefused,
        RequestRetried,
        RequestSent,
        RequestUnknown,
        SendEnded,
        SendStarted,
        SlotWaited,
    )

__all__ = [
    "BatchEnded",
    "DuplicatesSkipped",
    "Event",
    "EventHandlers",
    "LateAnswer",
    "OnEvent",
    "OutcomeName",
    "PushAnswered",
    "PushEvent",
    "PushReceived",
    "PushRejected",
    "ReportsTaken",
    "RequestAnswered",
    "RequestEvent",
    "RequestNotSent",
    "RequestRefused",
    "RequestRetried",
    "RequestSent",
    "RequestUnknown",
    "SendEnded",
    "SendStarted",
    "SlotWaited",
    "log_fields",
]

_MODULES = ("handlers", "fields", "values")


def __getattr__(name: str) -> _typing.Any:
    """Import a name of ``__all__`` at the first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = (_importlib.import_module(f"{__name__}.{module}") for module in _MODULES)
    value = next(getattr(home, name) for home in homes if name in home.__all__)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the names above, imported or not."""
    return sorted({*globals(), *__all__})
