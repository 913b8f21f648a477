"""Coverage-guided fuzzing of what pushes are decoded with: nothing but PushError may come out.

``python -m nox -s fuzz`` tries 200,000 inputs; arguments after ``--`` go to libFuzzer, such as
``-max_total_time=600``. Memory above 512 MiB is a failure, too.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["emay_voice_async", "json", "base64", "urllib"]):
    from emay_voice_async.errors import PushError
    from emay_voice_async.push import decode_plain_push, decode_push, decode_reports, decrypt, gunzip
    from emay_voice_async.wire.compression import compress
    from emay_voice_async.wire.encryption import encrypt

KEY = "0123456789ABCDEF"
MAX_SIZE = 1 << 20

TARGETS: list[Callable[[bytes], object]] = [
    decode_reports,
    decode_plain_push,
    lambda data: decode_plain_push(data, "application/x-www-form-urlencoded"),
    lambda data: decode_plain_push(b"reports=" + data, "application/x-www-form-urlencoded"),
    lambda data: decrypt(data, KEY),
    lambda data: gunzip(data, max_size=MAX_SIZE),
    lambda data: gunzip(compress(data) + data, max_size=MAX_SIZE),
    lambda data: decode_push(data, KEY, max_size=MAX_SIZE),
    lambda data: decode_push(encrypt(data, KEY), KEY, max_size=MAX_SIZE),
    lambda data: decode_push(encrypt(compress(data), KEY), KEY, max_size=MAX_SIZE),
]


def try_one(data: bytes) -> None:
    """Give an input to the target that its first byte names."""
    if data:
        try:
            TARGETS[data[0] % len(TARGETS)](data[1:])
        except PushError as error:
            if error.stage not in ("size", "decrypt", "inflate", "decode"):
                raise AssertionError(error.stage) from error


def seeds(folder: Path) -> None:
    """Begin with something of each shape, so that the fuzzer need not find JSON by chance."""
    report = (
        b'{"appId":"a","voiceId":"1","customVoiceId":"c","mobile":"13800000000","state":" SUCCESS ",'
        b'"message":"\xe6\x88\x90\xe5\x8a\x9f",'
        b'"callingTime":"2017-03-15 12:00:00","callingDuration":68.02,"keyContent":1,"voiceSign":"UklGRg=="}'
    )
    join = b'{"joinId":"1","customJoinId":"c","state":" 4 ","desc":"ok","keyContent":"12","voiceSign":[-1,127,0]}'
    bodies = [
        report,
        join,
        b"[" + report + b"," + join + b"]",
        b'{"code":"SUCCESS","data":[' + report + b"]}",
    ]
    for target in range(len(TARGETS)):
        for number, body in enumerate(bodies):
            (folder / f"{target}-{number}").write_bytes(bytes([target]) + body)
            (folder / f"{target}-{number}-gz").write_bytes(bytes([target]) + compress(body))
            (folder / f"{target}-{number}-aes").write_bytes(bytes([target]) + encrypt(compress(body), KEY))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        seeds(Path(corpus))
        atheris.Setup([*sys.argv, "-rss_limit_mb=512", "-max_len=4096", corpus], try_one)
        atheris.Fuzz()
