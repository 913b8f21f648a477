"""The examples of Celery and arq: over a real queue, a campaign that is delivered twice calls each number once."""

import asyncio
import importlib
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from kombu import Connection, Queue
from support import servers

from emay_voice_async.journal import State
from emay_voice_async.sandbox import Sandbox
from emay_voice_async.sql import SqlJournal

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
NUMBERS = [f"139{place:08}" for place in range(1000, 2200)]
BATCHES = 3


class Campaign:
    """A campaign on disk, and the environment of the examples."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = f"test-{secrets.token_hex(8)}"
        self.sandbox = Sandbox(app_id=self.name)
        self.path = folder / "numbers.txt"
        self.path.write_text("\n".join(NUMBERS), "utf-8")
        self.database = f"sqlite+aiosqlite:///{folder / 'journal.db'}"
        self._monkeypatch = monkeypatch

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Serve the local service, and name all services in the environment."""
        async with self.sandbox.serve() as url:
            for variable, value in {
                "AMQP_URL": servers.url(servers.RABBITMQ),
                "REDIS_URL": servers.url(servers.REDIS),
                "DATABASE_URL": self.database,
                "CAMPAIGN": self.name,
                "EMAY_VOICE_BASE_URL": url,
                "EMAY_VOICE_APP_ID": self.sandbox.app_id,
                "EMAY_VOICE_SECRET_KEY": self.sandbox.secret_key,
            }.items():
                self._monkeypatch.setenv(variable, value)
            yield

    async def check(self) -> None:
        """Check that each number was called once, and is accepted in the journal."""
        assert sorted(call.mobile for call in self.sandbox.calls) == NUMBERS
        assert self.sandbox.over_speed == 0
        async with SqlJournal(self.database, self.name) as journal:
            assert (await journal.summary()).states[State.ACCEPTED] == len(NUMBERS)


def test_celery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two prefork processes of Celery share a campaign."""
    campaign = Campaign(tmp_path, monkeypatch)

    async def main() -> None:
        async with campaign.served(), asyncio.timeout(120):
            for _ in range(2):
                producing = await asyncio.create_subprocess_exec(
                    sys.executable, str(EXAMPLES / "celery_tasks.py"), str(campaign.path)
                )
                assert await producing.wait() == 0
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "celery", "--quiet", "-A", "celery_tasks", "worker"),
                *("--pool", "prefork", "--concurrency", "2", "--loglevel", "INFO", "--without-mingle"),
                cwd=EXAMPLES,
                env=os.environ | {"C_FORCE_ROOT": "1", "NO_COLOR": "1"},
                stderr=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
            )
            assert worker.stderr is not None
            left, log = 2 * BATCHES, b""
            while left:
                line = await worker.stderr.readline()
                log += line
                assert line, log.decode()
                left -= b" succeeded in " in line
            worker.terminate()
            _, rest = await worker.communicate()
            assert worker.returncode == 0, rest.decode()
            await campaign.check()

    try:
        asyncio.run(main())
    finally:
        with Connection(servers.url(servers.RABBITMQ)) as connection:
            Queue(campaign.name, channel=connection.default_channel).delete()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # arq uses deprecated names of redis
def test_arq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of arq runs a campaign; ``nox -s lowest`` has arq, which asks for a redis package below 6."""
    pytest.importorskip("arq")
    campaign = Campaign(tmp_path, monkeypatch)

    async def main() -> None:
        async with campaign.served(), asyncio.timeout(120):
            monkeypatch.syspath_prepend(EXAMPLES)
            module = importlib.import_module("arq_tasks")
            monkeypatch.delitem(sys.modules, "arq_tasks")
            for _ in range(2):
                await module.produce(str(campaign.path))
            worker = importlib.import_module("arq.worker").create_worker(
                module.WorkerSettings, burst=True, poll_delay=0.05, handle_signals=False
            )
            await worker.async_run()
            assert (worker.jobs_complete, worker.jobs_failed) == (2 * BATCHES, 0)
            await worker.close()
            await campaign.check()

    asyncio.run(main())
