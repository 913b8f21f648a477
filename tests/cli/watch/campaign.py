"""A journal with calls of every state."""

from attrs import evolve

from emay_voice_async.journal.protocol import Journal, State
from emay_voice_async.testing.journal.values import PURPOSE, keys, report_of, settled

__all__ = ["written"]


async def written(journal: Journal) -> None:
    """Write calls: four accepted, two of them failed, one refused, one not sent, one unknown."""
    run = await journal.start(PURPOSE)
    of = keys(*range(7))
    accepted = await settled(run, of[:4], State.ACCEPTED)
    await settled(run, of[4:5], State.REFUSED, reason="ERROR_MOBILE_ERROR")
    await settled(run, of[5:6], State.NOT_SENT, reason="the client was closed")
    await settled(run, of[6:7], State.UNKNOWN, reason="no answer")
    await run.end()
    reports = [
        report_of(key, custom_id=custom_id, message_id=f"m-{custom_id}", state=state)
        for key, custom_id, state in zip(
            of, accepted.custom_ids, ("SUCCESS", "FAIL_CALL", "FAIL_LINE_BUSY"), strict=False
        )
    ]
    reports[0] = evolve(reports[0], key_pressed="1", duration=12.0)
    reports[2] = evolve(reports[2], description="用户正忙")
    assert await journal.record(reports) == 3
