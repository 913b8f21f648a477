"""Settings of a run: account and speed, from options and the environment; the secretKey never from an argument."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from emay_voice_async.cli.terminal.console import Console
from emay_voice_async.cli.terminal.exit_codes import CommandError
from emay_voice_async.cli.terminal.language import gettext
from emay_voice_async.client import AsyncEmayVoice
from emay_voice_async.model.limits import RateLimit, RateLimits

__all__ = ["Session", "Settings", "read_secret"]

_SECRET: Final = "EMAY_VOICE_SECRET_KEY"  # noqa: S105 - a variable's name
_SECRET_FILE: Final = "EMAY_VOICE_SECRET_KEY_FILE"  # noqa: S105 - a variable's name


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
        """Make a client; raise :class:`CommandError` that names a missing setting."""
        return AsyncEmayVoice(
            _required(self.base_url, "EMAY_VOICE_BASE_URL", "--base-url"),
            app_id=self.account(),
            secret_key=self.secret_key(),
            rate_limits=RateLimits(send=self.limit),
            timeout=self.timeout,
            max_concurrency=self.concurrency,
        )

    def account(self) -> str:
        """Return the appId."""
        return _required(self.app_id, "EMAY_VOICE_APP_ID", "--app-id")

    def secret_key(self) -> str:
        """Return the secretKey: the file of the option wins, then the variable, then the variable's file."""
        if self.secret_key_file is not None:
            return read_secret("--secret-key-file", self.secret_key_file)
        if secret := os.environ.get(_SECRET):
            return secret
        if path := os.environ.get(_SECRET_FILE):
            return read_secret(_SECRET_FILE, Path(path))
        raise CommandError(
            gettext(
                "set {variable} or {other} in the environment, or give {option}",
                variable=_SECRET,
                other=_SECRET_FILE,
                option="--secret-key-file",
            )
        )


def _required(value: str | None, variable: str, option: str) -> str:
    if not value:
        raise CommandError(
            gettext("set {variable} in the environment, or give {option}", variable=variable, option=option)
        )
    return value


def read_secret(setting: str, path: Path) -> str:
    """Read a secret from the file that a setting names."""
    try:
        secret = path.read_text("utf-8-sig").strip()
    except OSError as error:
        raise CommandError(f"{setting}: {path}: {error.strerror or error}") from None
    except UnicodeError:
        raise CommandError(f"{setting}: {path}: {gettext('must be text in UTF-8')}") from None
    if not secret:
        raise CommandError(f"{setting}: {path}: {gettext('is empty')}")
    return secret


@frozen
class Session:
    """A run of the program: settings, console, and the command as the user typed it."""

    settings: Settings
    console: Console
    program: str
    arguments: Sequence[str]

    @property
    def command(self) -> str:
        """The command that repeats this run."""
        return f"{self.program} {shlex.join(self.arguments)}"
