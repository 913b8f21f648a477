"""Error trackers read frames: no local variable of the package shows a secret, a number, a code or a body."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.campaigns import voice_over
from support.error_tracker import shown_locals
from support.http_transport import Script, accepts, answers, code, hangs, raises
from support.virtual_time import run

from emay_voice_async import (
    AsyncEmayVoice,
    Notice,
    OnKey,
    RateLimits,
    Recipient,
    Report,
    SendError,
    Template,
    Ticket,
    VerificationCode,
    VoiceSms,
)
from emay_voice_async.errors import EmayVoiceError
from emay_voice_async.journal import SqliteJournal
from emay_voice_async.push import decode_plain_push, decode_push, decrypt
from emay_voice_async.receiver import PushReceiver, RecentReports, Rejected
from emay_voice_async.wire.compression import compress
from emay_voice_async.wire.encryption import encrypt

SECRET = "5ecretKey1234567"
NUMBER = "13987654321"
OTHER = "13987654322"
CODE = "739105"
TEXT = "hidden content"
FORBIDDEN = re.compile(rf"{SECRET}|1398765432\d|{CODE}|sign=[0-9a-f]{{32}}|&customVoiceIds=|isInteractive=")


def check(error: BaseException) -> None:
    """Fail if a frame of the error, or the error itself, shows what must stay hidden."""
    leaks = sorted({place for place, text in shown_locals(error) if FORBIDDEN.search(text)})
    assert not leaks, " ".join(leaks)
    assert not FORBIDDEN.search(f"{error!r} {error}")


def errors_in(result: object) -> Iterator[BaseException]:
    """Yield the errors that an outcome or an exception carries."""
    if isinstance(result, SendError):
        for outcome in result.result.outcomes:
            yield from errors_in(outcome)
    if isinstance(result, BaseException):
        yield result
    elif isinstance(error := getattr(result, "error", None), BaseException):
        yield error


async def source_that_fails() -> AsyncIterator[str]:
    """Yield a number, then fail."""
    yield NUMBER
    raise OSError("the source failed")


MESSAGES = {
    "notice": Notice(TEXT),
    "code": VerificationCode(CODE),
    "sms": VoiceSms(TEXT, trigger=OnKey("1"), sms_content=TEXT),
}
STEPS = {
    "refused": code("ERROR_SIGN"),
    "balance": code("ERROR_NEEDMORE_BALANCE"),
    "content": code("ERROR_CONTENT"),
    "too fast": code("ERROR_OVER_SPEED"),
    "timestamp": code("ERROR_TIMESTAMP"),
    "unlisted": code("7"),
    "status": answers({}, status=500),
    "page": answers(b"<html></html>"),
    "wrong tickets": answers({"code": "SUCCESS", "data": [{"mobile": 1}]}),
    "half an answer": answers(f'{{"code":"SUCCESS","data":[{{"mobile":"{NUMBER}"'.encode()),
    "other tickets": answers({"code": "SUCCESS", "data": [{"mobile": NUMBER, "voiceId": 7}, NUMBER]}),
    "no tickets": answers({"code": "SUCCESS", "data": {"mobile": NUMBER}}),
    "no connection": raises(httpx.ConnectError("")),
    "broken connection": raises(httpx.ReadError("")),
    "unexpected": raises(RuntimeError("")),
    "no answer": hangs,
}
INPUTS: dict[str, Callable[[], Any]] = {
    "number": lambda: NUMBER,
    "recipient": lambda: Recipient(NUMBER, "order"),
    "list": lambda: [NUMBER, OTHER],
    "generator": lambda: (one for one in [NUMBER, OTHER]),
    "failing source": source_that_fails,
    "invalid number": lambda: [NUMBER, f"{OTHER}0"],
    "invalid stream": lambda: iter([NUMBER, f"{OTHER}0"]),
    "duplicate id": lambda: [Recipient(NUMBER, "a"), Recipient(OTHER, "a")],
    "comma": lambda: [Recipient(NUMBER, "a,b")],
    "joined": lambda: f"{NUMBER},{OTHER}",
    "bytes": NUMBER.encode,
}


def collected(main: Callable[[AsyncEmayVoice], Awaitable[object]], *steps: Any, **options: Any) -> list[Any]:
    """Run ``main`` with a client; return the errors that come out."""
    script = Script(*(steps or (accepts(),)))
    found: list[BaseException] = []

    async def living() -> None:
        async with (
            script.client() as http_client,
            voice_over(script, http_client, secret_key=SECRET, rate_limits=RateLimits(), **options) as voice,
        ):
            try:
                await main(voice)
            except Exception as error:
                found.extend(errors_in(error))

    run(living())
    return found


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_a_send_that_fails(step: str, message: Any) -> None:
    """The errors of a send that the service or the network fails hide request, numbers and secret."""
    found = collected(lambda voice: voice.send(message, [NUMBER, OTHER]), STEPS[step])
    assert found or step in ("wrong tickets", "no tickets")
    for error in found:
        check(error)


@pytest.mark.parametrize("to", INPUTS.values(), ids=INPUTS)
def test_a_send_of_any_input(to: Callable[[], Any]) -> None:
    """The errors of all kinds of input hide the numbers."""
    found = collected(lambda voice: voice.send(VerificationCode(CODE), to()), code("ERROR_SIGN"))
    assert found
    for error in found:
        check(error)


@pytest.mark.parametrize("to", INPUTS.values(), ids=INPUTS)
def test_a_stream_of_any_input(to: Callable[[], Any]) -> None:
    """The errors of outcomes of a stream hide the numbers."""
    found: list[BaseException] = []

    async def main(voice: AsyncEmayVoice) -> None:
        async for outcome in voice.send_batches(Notice(TEXT), to()):
            found.extend(errors_in(outcome))

    found += collected(main, code("ERROR_SIGN"))
    assert found
    for error in found:
        check(error)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "fields", [{"code": CODE}, {"code": CODE * 100}, {"code": f"{CODE}\n"}, {"cod": CODE}], ids=ascii
)
def test_a_template(step: str, fields: dict[str, str]) -> None:
    """The errors of a send with a template hide the fields, usable or not, of lists and of streams."""
    template = Template(Notice, "{code}")
    for kind in (list, iter):
        found = collected(
            lambda voice, kind=kind: voice.send(template, kind([Recipient(NUMBER, fields=fields)])),  # type: ignore[misc]
            STEPS[step],
        )
        assert found or step in ("wrong tickets", "no tickets")
        for error in found:
            check(error)
    with contextlib.suppress(EmayVoiceError):
        template.render(fields)
        return
    with pytest.raises(EmayVoiceError) as caught:
        template.render(fields)
    assert CODE not in "".join(
        text for place, text in shown_locals(caught.value) if "test_frames" not in place
    )


@pytest.mark.parametrize("to", INPUTS.values(), ids=INPUTS)
def test_a_send_with_a_journal(to: Callable[[], Any], tmp_path: Path) -> None:
    """The errors of a send with a journal hide the numbers, also those of a broken journal."""
    path = tmp_path / "run.db"
    for wrong in (False, True):
        if wrong:
            path.write_bytes(b"no database" * 1000)
        found = collected(
            lambda voice: voice.send(Notice(TEXT), to(), journal=SqliteJournal(path)), code("ERROR_SIGN")
        )
        assert found
        for error in found:
            check(error)


CALLS: dict[str, Callable[[AsyncEmayVoice], Awaitable[object]]] = {
    "take_reports": lambda voice: voice.take_reports(),
    "get_balance": lambda voice: voice.get_balance(),
    "wait_for_report": lambda voice: voice.wait_for_report(Ticket(NUMBER, "id", "custom"), timeout=1),
    "wait by id": lambda voice: voice.wait_for_report("custom", timeout=1),
    "plan": lambda voice: voice.plan(Notice(TEXT), [NUMBER, f"{OTHER}0", 7], price="a lot"),  # type: ignore[arg-type,list-item]
    "deadline": lambda voice: voice.send(Notice(TEXT), [NUMBER], deadline=-1),
    "wrong message": lambda voice: voice.send("text", [NUMBER]),  # type: ignore[arg-type]
    "wrong option": lambda voice: voice.send(Notice(TEXT), [NUMBER], max_calls=-1),
    "wrong callback": lambda voice: voice.send(Notice(TEXT), [NUMBER], on_outcome=asyncio.sleep),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_other_calls(call: Callable[[AsyncEmayVoice], Awaitable[object]], step: Any) -> None:
    """The errors of all other methods hide secret and request."""
    for error in collected(call, step):
        check(error)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "ftp://host"},
        {"app_id": ""},
        {"timeout": -1},
        {"max_concurrency": 0},
        {"rate_limits": 10},
        {"http_client": "client"},
        {"allow_only": f"{NUMBER}0"},
        {"allow_only": [f"{NUMBER}0"]},
        {"secret_key": f"{SECRET}\ud800"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_client_that_cannot_be_made(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong argument of the constructor does not show the secret."""
    arguments = {"base_url": "http://host", "app_id": "app", "secret_key": SECRET, **options}
    with pytest.raises(EmayVoiceError) as caught:
        AsyncEmayVoice(**arguments)
    check(caught.value)
    with pytest.raises(EmayVoiceError) as caught:
        AsyncEmayVoice.from_env(**arguments)
    check(caught.value)
    monkeypatch.setenv("EMAY_VOICE_BASE_URL", "http://host")
    monkeypatch.setenv("EMAY_VOICE_APP_ID", "app")
    monkeypatch.setenv("EMAY_VOICE_SECRET_KEY", SECRET)
    with pytest.raises(EmayVoiceError) as caught:
        AsyncEmayVoice.from_env(**options)
    check(caught.value)


PAGE = f'{{"code":"SUCCESS","data":[{{"mobile":"{NUMBER}","state":7}}, 1]}}'.encode()
PUSHES = {
    "not encrypted": b"x" * 33,
    "another key": encrypt(compress(PAGE), "another key 1234"),
    "not gzip": encrypt(PAGE, SECRET),
    "cut": encrypt(compress(PAGE)[:-9], SECRET),
    "too large": encrypt(compress(PAGE + b" " * 100_000), SECRET),
    "not JSON": encrypt(compress(PAGE + b"}"), SECRET),
    "no list": encrypt(compress(f'"{NUMBER}"'.encode()), SECRET),
    "broken entries": encrypt(compress(PAGE), SECRET),
    "plain": PAGE,
    "plain form": f"reports={NUMBER}&reports={NUMBER}".encode(),
}


@pytest.mark.parametrize("body", PUSHES.values(), ids=PUSHES)
def test_a_push_that_cannot_be_decoded(body: bytes) -> None:
    """The errors of the push functions hide key and body."""
    for decode in (
        lambda: decode_push(body, SECRET, max_size=10_000),
        lambda: decode_push(body, SECRET.encode(), max_size=10_000),
        lambda: decode_push(body, SECRET + "1"),
        lambda: decrypt(body, "no key"),
        lambda: decode_plain_push(body),
        lambda: decode_plain_push(body, "application/x-www-form-urlencoded"),
    ):
        with contextlib.suppress(EmayVoiceError):
            decode()
            continue
        with pytest.raises(EmayVoiceError) as caught:
            decode()
        check(caught.value)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("handler", ["works", "fails", "hangs"])
@pytest.mark.parametrize("store", [None, RecentReports])
@pytest.mark.parametrize("body", PUSHES.values(), ids=PUSHES)
def test_a_push_that_is_rejected(
    body: bytes, handler: str, plain: bool, store: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What the receiver hands to ``on_rejected`` and logs hides key and body."""
    found: list[BaseException] = []

    async def on_reports(reports: list[Report]) -> None:
        if handler == "fails":
            raise OSError("the handler failed")
        if handler == "hangs":
            await asyncio.Event().wait()

    async def on_rejected(rejected: Rejected) -> None:
        assert not FORBIDDEN.search(repr(rejected))
        found.append(rejected.error)
        if handler == "fails":
            raise OSError("the handler failed")

    receiver = PushReceiver(
        {"app": SECRET},
        on_reports,
        allow_plain=plain,
        plain_networks=["127.0.0.1"] if plain else None,
        on_rejected=on_rejected,
        handler_timeout=5,
        max_size=10_000,
        deduplicate=store and store(),
    )
    good = b'{"code":"SUCCESS","data":[{"mobile":"%b","voiceId":"1","state":"SUCCESS"}]}' % NUMBER.encode()
    with caplog.at_level(logging.DEBUG, "emay_voice_async"):
        for data in (body, encrypt(compress(good), SECRET), good):
            run(receiver.handle("POST", "/", {"appId": "app"}, data, "127.0.0.1"))
    found += [record.exc_info[1] for record in caplog.records if record.exc_info and record.exc_info[1]]
    assert not FORBIDDEN.search(caplog.text)
    for error in found:
        check(error)


def test_keys_that_cannot_be_used() -> None:
    """A wrong argument of the receiver does not show a key."""

    async def on_reports(reports: list[Report]) -> None:
        raise NotImplementedError

    for options in ({"max_size": 0}, {"deduplicate": 1}, {"plain_token": SECRET, "allow_plain": False}):
        with pytest.raises(EmayVoiceError) as caught:
            PushReceiver({"app": SECRET}, on_reports, **options)
        check(caught.value)
    with pytest.raises(EmayVoiceError) as caught:
        PushReceiver({"app": SECRET, "b": SECRET + "1"}, on_reports)
    check(caught.value)


def test_no_limit_is_left_out() -> None:
    """The pattern finds each of the values."""
    for text in (SECRET, NUMBER, OTHER, CODE, f"&sign={'a' * 32}"):
        assert FORBIDDEN.search(repr([text]))
