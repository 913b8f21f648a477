"""Which account, and how fast: from options and the environment; the secret never from an argument."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from emay_voice_async.cli.terminal.console import Screen
from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.model.limits import RateLimit, RateLimits

__all__ = ["Session", "Settings"]

_SECRET: Final = "EMAY_VOICE_SECRET_KEY"  # noqa: S105 - a variable's name
_SECRET_FILE: Final = "EMAY_VOICE_SECRET_KEY_FILE"  # noqa: S105


@frozen
class Settings:
    """The options in front of the command."""

    base_url: str | None = None
    app_id: str | None = None
    secret_key_file: Path | None = None
    limit: RateLimit | None = None
    concurrency: int = 16
    timeout: float = 30.0

    def client(self) -> AsyncEmayVoice:
        """Make a client; whatever is missing is told by its name."""
        return AsyncEmayVoice(
            _needed(self.base_url, "EMAY_VOICE_BASE_URL", "--base-url"),
            app_id=self.account(),
            secret_key=self.secret_key(),
            rate_limits=RateLimits(send=self.limit),
            timeout=self.timeout,
            max_concurrency=self.concurrency,
        )

    def account(self) -> str:
        """Return the appId."""
        return _needed(self.app_id, "EMAY_VOICE_APP_ID", "--app-id")

    def secret_key(self) -> str:
        """Return the secretKey: from the file that was named, the environment, or the file that it names."""
        named = self.secret_key_file
        if named is None and os.environ.get(_SECRET):
            return os.environ[_SECRET]
        if named is None and os.environ.get(_SECRET_FILE):
            named = Path(os.environ[_SECRET_FILE])
        if named is None:
            raise CommandError(f"{_SECRET} must be set in the environment, or --secret-key-file be given")
        try:
            return named.read_text("utf-8-sig").strip()
        except (OSError, UnicodeError) as error:
            raise CommandError(f"the file of the secretKey, {named}: {_reason(error)}") from None


def _needed(value: str | None, variable: str, option: str) -> str:
    if not value:
        raise CommandError(f"{variable} must be set in the environment, or {option} be given")
    return value


def _reason(error: OSError | UnicodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is no text in UTF-8"


@frozen
class Session:
    """One run of the program: its settings, where it speaks, and how it was called."""

    settings: Settings
    screen: Screen
    program: str
    arguments: Sequence[str]

    @property
    def command(self) -> str:
        """What to type in order to do the same again."""
        return f"{self.program} {shlex.join(self.arguments)}"
