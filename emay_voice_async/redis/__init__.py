"""A shared rate limit and a shared report store on Redis: ``pip install "emay_voice_async[redis]"``.

:class:`RedisPacer` is the pacer of all processes of an account, :class:`RedisReports` the store of
handled reports of all receivers.
"""

from emay_voice_async.model.extras import missing_extra

try:
    import redis  # noqa: F401
except ModuleNotFoundError as _error:
    raise ImportError(missing_extra(_error.name, "redis"), name=_error.name) from _error

from emay_voice_async.redis.pacer import RedisPacer
from emay_voice_async.redis.reports import RedisReports

__all__ = ["RedisPacer", "RedisReports"]
