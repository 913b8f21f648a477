"""An error tracker with default settings: the local variables of all frames of an error, as text.

Trackers such as Sentry walk the frames of an error and of its causes, and send ``repr`` of each local variable;
they walk into containers themselves.
"""

import itertools
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import TracebackType

import emay_voice_async

__all__ = ["errors_of", "shown_locals"]

PACKAGE = str(Path(emay_voice_async.__file__).parent)
DEPTH = 4
_EXCERPT = 100


def errors_of(error: BaseException) -> list[BaseException]:
    """Return an error with all causes, contexts and grouped errors."""
    found: dict[int, BaseException] = {}
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in found:
            continue
        found[id(one)] = one
        left += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            left += one.exceptions
    return list(found.values())


def shown_locals(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each local variable of the package's frames."""
    for one in errors_of(error):
        for frame in _frames(one.__traceback__):
            if frame.tb_frame.f_code.co_filename.startswith(PACKAGE):
                code = frame.tb_frame.f_code
                where = f"{Path(code.co_filename).relative_to(PACKAGE)}:{code.co_qualname}"
                for name, value in dict(frame.tb_frame.f_locals).items():
                    yield f"{where}:{name}", _shown(value, DEPTH)


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _shown(value: object, depth: int) -> str:
    """Write a value as a tracker does: containers entry by entry, other values by ``repr``."""
    if depth > 0 and isinstance(value, Mapping):
        pairs = itertools.islice(value.items(), _EXCERPT)
        return ", ".join(f"{_shown(key, depth - 1)}: {_shown(item, depth - 1)}" for key, item in pairs)
    if depth > 0 and isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray):
        return ", ".join(_shown(item, depth - 1) for item in itertools.islice(value, _EXCERPT))
    try:
        return repr(value)
    except Exception as error:  # as of an object that its constructor has not filled yet
        return f"<{type(error).__name__}>"
