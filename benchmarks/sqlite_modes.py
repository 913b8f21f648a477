"""The cost of durable writes to a journal in a file, by SQLite mode: looking up, claiming and closing 500 numbers.

``python benchmarks/sqlite_modes.py [FOLDER]``. In WAL mode a commit goes to a side file. "WAL, flushed" copies each
commit into the file itself, so that the file alone has all data, as in the modes with a rollback journal.
"""

import random
import secrets
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from emay_voice_async.journal import sqlite_changes
from emay_voice_async.journal import sqlite_statements as statements
from emay_voice_async.journal.protocol import Claim, Key, State
from emay_voice_async.journal.purpose import Purpose
from emay_voice_async.journal.sqlite_changes import Change, make_durable
from emay_voice_async.journal.sqlite_file import connect, file_id
from emay_voice_async.journal.sqlite_reading import look
from emay_voice_async.journal.sqlite_transaction import flush
from emay_voice_async.model.messages import Notice

Result = TypeVar("Result")

SIZE = 500
BATCHES = 40
ROUNDS = 3
MODES = (
    ("WAL", "FULL", False),
    ("WAL", "FULL", True),
    ("DELETE", "EXTRA", True),
    ("TRUNCATE", "FULL", True),
    ("PERSIST", "FULL", True),
)


def changed(
    db: sqlite3.Connection, make: Callable[[sqlite3.Connection], Result], *, held: bool = False
) -> Result:
    """Make a change durably; ``held``: wait until the file alone has the change."""
    change = Change(make, undo=statements.withdraw if held else None)
    make_durable(db, [change])
    return change.future.result()


def measure(folder: Path, mode: str, synchronous: str, *, flushed: bool) -> tuple[float, float]:
    """Return the median wall time and the mean CPU time of a batch, in milliseconds."""
    path = folder / f"{secrets.token_hex(4)}.db"
    db = connect(path, create=True, is_live=lambda _: True)
    db.execute(f"PRAGMA journal_mode = {mode}")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    purpose = Purpose("bench", Notice("benchmark"))
    run = changed(db, lambda db: statements.begin_run(db, purpose, "run", file_id(path), lambda _: True))
    chance = random.Random(1)  # noqa: S311 - no secret
    wall, cpu = [], time.process_time()
    with patch.object(sqlite_changes, "flush", flush if flushed else lambda *_, **__: None):
        for _ in range(BATCHES):
            keys = tuple(Key(f"1{chance.randrange(10**10):010}") for _ in range(SIZE))
            ids = tuple(f"{secrets.token_hex(10)}-{number}" for number in range(SIZE))
            claim = Claim(secrets.token_hex(16), keys, ids, 60.0)
            before = time.perf_counter()
            look(db, keys, lambda _: True)
            changed(db, partial(statements.begin, run=run, claim=claim, is_live=lambda _: True), held=True)
            changed(
                db, partial(statements.close, claim=claim, state=State.ACCEPTED, reason="", message_ids=ids)
            )
            wall.append(time.perf_counter() - before)
    cpu = time.process_time() - cpu
    db.close()
    return 1000 * statistics.median(wall), 1000 * cpu / BATCHES


def main(where: str | None) -> None:
    """Print a table: the best of three rounds for each mode."""
    found: dict[tuple[str, str, bool], list[tuple[float, float]]] = {}
    for _ in range(ROUNDS):
        for mode in MODES:
            with tempfile.TemporaryDirectory(dir=where) as folder:
                found.setdefault(mode, []).append(measure(Path(folder), mode[0], mode[1], flushed=mode[2]))
    print(f"{'mode':32}{'wall':>10}{'CPU':>12}   (batch of {SIZE})")
    for (journal_mode, synchronous, flushed), figures in found.items():
        name = f"{journal_mode}, synchronous={synchronous}{', flushed' if flushed and journal_mode == 'WAL' else ''}"
        wall, cpu = (min(column) for column in zip(*figures, strict=True))
        print(f"{name:32}{wall:8.1f} ms{cpu:9.1f} ms")


if __name__ == "__main__":
    main(next(iter(sys.argv[1:]), None))
