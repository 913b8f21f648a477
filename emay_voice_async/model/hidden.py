"""Values that error trackers do not show.

A tracker records ``repr`` of the local variables of every frame of an error. Secrets, request bodies and lists of
numbers must therefore not stand in the frames of an error as they are.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Generic, ParamSpec, TypeVar

__all__ = ["Hidden", "hides_arguments"]

_Value = TypeVar("_Value")
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Hidden(Generic[_Value]):
    """A value without a telling ``repr``."""

    __slots__ = ("value",)

    def __init__(self, value: _Value) -> None:
        self.value: _Value = value

    def __repr__(self) -> str:
        return "<hidden>"


def hides_arguments(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Decorate a plain function: its errors keep their traceback, but without the local variables.

    Not for async functions and generators: a frame that is suspended must not be cleared.
    """

    @wraps(function)
    def call(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        outer = sys.exception()
        try:
            return function(*args, **kwargs)
        except Exception as error:
            del args, kwargs
            _clear(error, outer)
            raise

    return call


def _clear(error: BaseException | None, outer: BaseException | None) -> None:
    """Clear the finished frames of an error and of its contexts, up to the error that the caller handles."""
    while error is not None and error is not outer:
        trace = error.__traceback__
        # The first frame of the error itself is that of the decorator, which is running.
        while trace is not None:
            with suppress(RuntimeError):
                trace.tb_frame.clear()
            trace = trace.tb_next
        error = error.__context__
