"""Checks of arguments; each raises :class:`~emay_voice_async.errors.InvalidRequestError`."""

import inspect
from collections.abc import Callable, Iterable

from emay_voice_async.errors import InvalidRequestError

__all__ = [
    "LONGEST",
    "check_callback",
    "check_count",
    "check_flag",
    "check_object",
    "check_seconds",
    "check_text",
    "field_named",
]

LONGEST = 10**9
"""The upper bound of timeouts and pauses, in seconds."""


def check_text(name: str, value: object, limit: int | None = None, position: int | None = None) -> None:
    """Check for a str that is not blank, can be encoded as UTF-8, and has at most ``limit`` characters."""
    if not isinstance(value, str):
        raise InvalidRequestError(name, "must be a str", None, type(value).__name__, position)
    if not value.strip():
        raise InvalidRequestError(
            name, "must not be empty or blank", None, f"{len(value)} characters", position
        )
    if limit is not None and len(value) > limit:
        raise InvalidRequestError(
            name, f"must have at most {limit} characters", limit, f"{len(value)} characters", position
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            name, "must be encodable as UTF-8", None, f"a lone surrogate in place {error.start}", position
        ) from None


def check_flag(name: str, value: object) -> None:
    """Check for True or False: the text "no" would count as true."""
    if not isinstance(value, bool):
        raise InvalidRequestError(name, "must be True or False", None, type(value).__name__)


def check_count(name: str, value: object, unit: str = "") -> None:
    """Check for an int of at least 1; ``unit`` is the counted unit, such as " bytes"."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRequestError(name, f"must be a whole number{unit}, at least 1", 1, type(value).__name__)
    if value < 1:
        raise InvalidRequestError(name, f"must be a whole number{unit}, at least 1", 1, value)


def check_seconds(name: str, value: object, longest: float = LONGEST) -> None:
    """Check for a number of seconds above 0, up to ``longest``."""
    rule = f"must be a number of seconds above 0, up to {longest}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRequestError(name, rule, 0, type(value).__name__)
    if not 0 < value <= longest:
        raise InvalidRequestError(name, rule, 0)


def check_object(name: str, value: object, methods: Iterable[str], form: str) -> None:
    """Check for an object with the methods; a class is refused. ``form`` describes the object, such as "a pacer"."""
    if isinstance(value, type):
        raise InvalidRequestError(name, f"must be {form}, an object", None, f"the class {value.__name__}")
    if not all(callable(getattr(value, method, None)) for method in methods):
        raise InvalidRequestError(name, f"must be {form}", None, type(value).__name__)


def field_named(name: str) -> str:
    """Return the name of a recipient's field as errors show it."""
    return f"field {name!r}"


def check_callback(name: str, value: object, argument: str) -> None:
    """Check for a plain function of one argument; ``argument`` describes the argument, such as "the event"."""
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(
        getattr(value, "__call__", None)  # noqa: B004 - its kind matters
    ):
        raise InvalidRequestError(name, "must be a plain function, not an async one")
    if not callable(value):
        rule = f"must be a function of one argument, {argument}"
        raise InvalidRequestError(name, rule, None, type(value).__name__)
    if isinstance(value, type) or not _takes_one_argument(value):
        raise InvalidRequestError(name, f"must be a function that takes one argument, {argument}")


def _takes_one_argument(function: Callable[..., object]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:
        # A builtin without a signature.
        return True
    return True
