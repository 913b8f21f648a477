"""A journal of your own: an append-only log, a line for each event, for the processes of one machine.

The calls in memory follow from the events. A write locks the file, reads the events of other processes, decides, and
appends one line: a batch is claimed whole or not at all, and a process that is killed leaves no half event.
"""

import asyncio
import fcntl
import json
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

from attrs import asdict, define

from emay_voice_async import Report
from emay_voice_async.errors import JournalError
from emay_voice_async.journal import Claim, Key, Line, Purpose, Standing, State, StoredPurpose, Summary

BEIJING = timezone(timedelta(hours=8))
LOST = "the process ended before the answer came"

Event = dict[str, Any]
Decide = Callable[[], tuple[Any, Event | None]]
"""Looks at the calls, and returns the result and the event to append."""


@define
class Call:
    """A call, as the events until now made it."""

    mobile: str
    token: str
    custom_id: str
    begun_at: float
    until: float
    state: State = State.UNDER_WAY
    message_id: str = ""
    reason: str = ""
    report: tuple[Any, ...] | None = None

    def standing(self, now: float) -> tuple[State, str]:
        """Return the state and the reason at this moment."""
        if self.report is not None:
            return State.ACCEPTED, ""
        if self.state is State.UNDER_WAY and self.until <= now:
            return State.UNKNOWN, LOST
        return self.state, self.reason


class LogJournal:
    """See :class:`emay_voice_async.Journal`."""

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = Path(path).absolute()
        self.clock = clock
        self.purpose: StoredPurpose | None = None
        self.made_at = 0.0
        self.calls: dict[Key, Call] = {}
        self._claims: dict[str, list[Key]] = {}
        self._read = 0
        self._lock = threading.Lock()

    async def start(self, purpose: Purpose, *, dry: bool = False) -> "LogRun":
        """Begin a run."""

        def begin() -> tuple[None, Event | None]:
            if self.purpose is not None:
                self.purpose.check(purpose)
                return None, None
            stored = asdict(StoredPurpose.of(purpose))
            salt = stored.pop("salt").hex()
            return None, None if dry else {"made_at": self.clock(), "salt": salt, "purpose": stored}

        await self.write(begin, create=not dry)
        return LogRun(self, dry)

    async def record(self, reports: Iterable[Report]) -> int:
        """Add status reports, 1,000 at a time."""
        await self._existing()
        iterator, count = iter(reports), 0
        while page := list(islice(iterator, 1000)):
            count += await self.write(partial(self._record, page))
        return count

    async def summary(self) -> Summary:
        """Count the calls by state."""
        purpose = await self._existing()
        now = self.clock()
        found = [call.standing(now) for call in self.calls.values()]
        reported = Counter(call.report[1] for call in self.calls.values() if call.report)
        reasons = Counter(reason for state, reason in found if state is State.UNKNOWN)
        return Summary(
            app_id=purpose.app_id,
            kind=purpose.kind,
            allow_duplicates=purpose.allow_duplicates,
            made_at=datetime.fromtimestamp(self.made_at, BEIJING),
            states=dict(Counter(state for state, _ in found)),
            reported=dict(reported.most_common()),
            reasons=dict(reasons.most_common(20)),
        )

    async def lines(self) -> AsyncIterator[Line]:
        """Iterate over all calls in the order of their first claims."""
        await self._existing()
        for call in list(self.calls.values()):
            state, reason = call.standing(self.clock())
            _, raw_state, description, called_at, duration, key = call.report or (
                "",
                "",
                "",
                None,
                None,
                None,
            )
            yield Line(
                mobile=call.mobile,
                custom_id=call.custom_id,
                message_id=call.message_id,
                state=state,
                reason=reason,
                begun_at=datetime.fromtimestamp(call.begun_at, BEIJING),
                report_state=raw_state,
                report_description=description,
                called_at=None if called_at is None else datetime.fromtimestamp(called_at, BEIJING),
                duration=duration,
                key_pressed=key,
            )

    async def aclose(self) -> None:
        """Release no resources: the file is open during a write only."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def write(self, decide: Decide, *, create: bool = True) -> Any:
        """Decide with the file locked, and append the event; a cancelled call ends after its event."""
        return await asyncio.to_thread(self._write, decide, create)

    async def read(self) -> None:
        """Read the events of other processes."""
        await self.write(lambda: (None, None), create=False)

    def _write(self, decide: Decide, create: bool) -> Any:
        if not create and not self.path.exists():
            return decide()[0]
        try:
            # The lock of the file does not keep out the other threads of this object.
            with self._lock, open(self.path, "a+b", opener=_private) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._catch_up(file)
                result, event = decide()
                if event is not None:
                    file.write(json.dumps(event).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                    self._catch_up(file)
                return result
        except (OSError, ValueError) as error:
            raise JournalError(f"the log cannot be used ({error})", str(self.path)) from error

    def _catch_up(self, file: IO[bytes]) -> None:
        file.seek(self._read)
        for line in file:
            if not line.endswith(b"\n"):
                # A process was killed while it wrote this event, and did not act on it.
                file.truncate(self._read)
                break
            self._apply(json.loads(line))
            self._read += len(line)

    async def _existing(self) -> StoredPurpose:
        await self.read()
        if self.purpose is None:
            raise JournalError("no run has begun in it yet", str(self.path))
        return self.purpose

    def _apply(self, event: Event) -> None:
        """Make the change of an event."""
        if "purpose" in event:
            salt = bytes.fromhex(event["salt"])
            self.purpose, self.made_at = StoredPurpose(salt=salt, **event["purpose"]), event["made_at"]
        elif "reports" in event:
            for key, report in event["reports"]:
                call = self.calls[Key(*key)]
                call.report, call.message_id = tuple(report), call.message_id or report[0]
        elif "keys" in event:
            keys = self._claims[event["token"]] = [Key(*key) for key in event["keys"]]
            for key, custom_id in zip(keys, event["custom_ids"], strict=True):
                self.calls[key] = Call(key.mobile, event["token"], custom_id, event["at"], event["until"])
        else:
            self._close(event)

    def _close(self, event: Event) -> None:
        ids = event["message_ids"] or [""] * len(self._claims[event["token"]])
        for key, message_id in zip(self._claims[event["token"]], ids, strict=True):
            call = self.calls[key]
            if call.token == event["token"]:
                call.state, call.reason = State(event["state"]), event["reason"]
                call.message_id = call.message_id or message_id

    def can_close(self, token: str) -> bool:
        """Tell whether a claim was made: its begin returned True."""
        return token in self._claims

    def _record(self, page: list[Report]) -> tuple[int, Event | None]:
        found: list[tuple[Key, tuple[Any, ...]]] = []
        for report in page:
            for key, call in self.calls.items():
                if self._belongs(call, report):
                    at = report.called_at and report.called_at.timestamp()
                    told = report.description, at, report.duration, report.key_pressed
                    found.append((key, (report.message_id, report.raw_state, *told)))
                    break
        return len(found), {"reports": found} if found else None

    def _belongs(self, call: Call, report: Report) -> bool:
        if self.purpose is None or not self.purpose.covers(report) or call.mobile != report.mobile:
            return False
        if call.standing(self.clock())[0].is_free:
            return False
        if call.message_id and report.message_id:
            return call.message_id == report.message_id
        return bool(report.custom_id) and call.custom_id == report.custom_id


class LogRun:
    """See :class:`emay_voice_async.journal.JournalRun`."""

    def __init__(self, journal: LogJournal, dry: bool) -> None:
        self._journal = journal
        self._dry = dry
        self._open: set[str] = set()

    async def look(self, keys: Sequence[Key]) -> list[Standing | None]:
        """Return the standing of each call."""
        await self._journal.read()
        return [self._standing(key) for key in keys]

    def _standing(self, key: Key) -> Standing | None:
        call = self._journal.calls.get(key)
        if call is None:
            return None
        state, reason = call.standing(self._journal.clock())
        begun_at = datetime.fromtimestamp(call.begun_at, BEIJING)
        told = (reason, begun_at) if state is State.UNKNOWN else ("", None)
        return Standing(state, call.custom_id, call.message_id, *told)

    async def begin(self, claim: Claim) -> bool:
        """Claim a batch."""
        if self._dry:
            raise JournalError("a dry run claims nothing", str(self._journal.path))
        allowed = (State.UNKNOWN,) if claim.resend_unknown else ()

        def decide() -> tuple[bool, Event | None]:
            found = [standing for key in claim.keys if (standing := self._standing(key)) is not None]
            if not all(one.state.is_free or one.state in allowed for one in found):
                return False, None
            now = self._journal.clock()
            ids = {"keys": claim.keys, "custom_ids": claim.custom_ids}
            self._open.add(claim.token)
            return True, {"token": claim.token, **ids, "at": now, "until": now + claim.lasts}

        return bool(await self._journal.write(decide))

    async def close(
        self, claim: Claim, state: State, *, reason: str = "", message_ids: Sequence[str] | None = None
    ) -> None:
        """Write the outcome of a claim."""
        await self._journal.write(partial(self._outcome, claim.token, state, reason, message_ids))

    def _outcome(
        self, token: str, state: State, reason: str, message_ids: Sequence[str] | None
    ) -> tuple[None, Event | None]:
        if not self._journal.can_close(token):
            return None, None
        self._open.discard(token)
        return None, {"token": token, "state": state.value, "reason": reason, "message_ids": message_ids}

    async def end(self) -> None:
        """Make the open claims of this run unknown."""
        for token in list(self._open):
            await self._journal.write(partial(self._outcome, token, State.UNKNOWN, LOST, None))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
