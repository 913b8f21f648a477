"""Rules of a conformance suite: named checks, each in an event loop of its own, and the comparisons in them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, ClassVar, Final, TypeVar
from unittest import SkipTest

__all__ = ["BrokenRuleError", "ConformanceSuite", "raises", "rule", "same", "true"]

_Suite = TypeVar("_Suite", bound="ConformanceSuite")

_PREFIX: Final = "test_"
_SHOWN: Final = 400


class BrokenRuleError(AssertionError):
    """A rule of a suite does not hold.

    ``rule``: the name of the rule, which is the name of the test without ``test_``. ``sentence``: what must hold.
    ``found``: what was found instead.
    """

    def __init__(self, rule: str, sentence: str, found: str) -> None:
        super().__init__(rule, sentence, found)
        self.rule = rule
        self.sentence = sentence
        self.found = found

    def __str__(self) -> str:
        return f"the rule {self.rule!r} is broken: {self.sentence} {self.found}"


class ConformanceSuite:
    """Rules as test methods, for pytest and unittest: subclass a suite as ``Test...``, and give its one factory."""

    patience: ClassVar[float] = 60.0
    """Seconds that a rule may take: a rule that waits for ever is broken, too."""

    def play(self, main: Coroutine[Any, Any, None]) -> None:
        """Run a rule in a new event loop; override it for another kind of loop."""
        asyncio.run(main)

    @classmethod
    def rules(cls) -> list[str]:
        """List the names of the rules."""
        return [name.removeprefix(_PREFIX) for name in dir(cls) if hasattr(getattr(cls, name), "is_rule")]

    def check(self, rule: str) -> None:
        """Check a single rule; raise :class:`BrokenRuleError` if the rule does not hold."""
        getattr(self, _PREFIX + rule)()


def rule(check: Callable[[_Suite], Awaitable[None]]) -> Callable[[_Suite], None]:
    """Make a test method of a rule; the first line of the docstring is the sentence of the rule."""
    name = check.__name__.removeprefix(_PREFIX)
    sentence = (check.__doc__ or "").partition("\n")[0]

    @wraps(check)
    def test(self: _Suite) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(self.patience):
                await check(self)

        try:
            self.play(bounded())
        except SkipTest:
            raise
        except TimeoutError as error:
            found = str(error) or f"The rule did not end within {self.patience:g} seconds."
            raise BrokenRuleError(name, sentence, found) from error
        except AssertionError as error:
            raise BrokenRuleError(name, sentence, str(error)) from error
        except Exception as error:
            raise BrokenRuleError(name, sentence, f"Raised {type(error).__name__}: {error}") from error

    # pytest would look for the parameters of the original, and take them for fixtures.
    del test.__wrapped__
    test.is_rule = True  # type: ignore[attr-defined] # read by ConformanceSuite.rules
    return test


def same(found: object, expected: object, about: object = "") -> None:
    """Compare; ``about`` says in which case. Not an assert statement, which ``python -O`` would leave out."""
    if found != expected:
        case = f"In the case of {about}: e" if about != "" else "E"
        raise AssertionError(f"{case}xpected {_shown(expected)}, found {_shown(found)}.")


def true(holds: object, expected: str) -> None:
    """Check a condition; ``expected`` says what is expected."""
    if not holds:
        raise AssertionError(f"Expected: {expected}.")


@contextlib.contextmanager
def raises(kind: type[Exception], doing: str) -> Iterator[None]:
    """Check that the block raises this kind of exception; ``doing`` says what the block does."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{doing} must raise {kind.__name__}.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
