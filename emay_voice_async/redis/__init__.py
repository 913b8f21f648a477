"""Several processes on one account, over Redis: ``pip install "emay_voice_async[redis]"``."""

try:
    import redis  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        f'sharing over Redis needs {error.name}: pip install "emay_voice_async[redis]"', name=error.name
    ) from error

from emay_voice_async.redis.pacer import RedisPacer
from emay_voice_async.redis.reports import RedisReports

__all__ = ["RedisPacer", "RedisReports"]
