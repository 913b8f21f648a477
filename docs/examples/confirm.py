"""Call a number, ask for a key, and wait for the answer.

``python confirm.py 13800000000``
"""

import asyncio
import sys

from emay_voice_async import AsyncEmayVoice, Notice, ReportTimeoutError

QUESTION = Notice("您有一个订单待确认。", interactive_content="确认请按1，取消请按2。")


async def main(mobile: str) -> None:
    """Ask one person, and print what they pressed."""
    async with AsyncEmayVoice.from_env() as voice:
        [ticket] = (await voice.send(QUESTION, mobile)).tickets
        try:
            report = await voice.wait_for_report(ticket, timeout=120)
        except ReportTimeoutError:
            print("no report within two minutes; it may come later")
            return
        length = "unknown" if report.duration is None else f"{report.duration:.0f} seconds"
        if not report.succeeded:
            print("not reached:", report.state.english)
        elif report.key_pressed is None:
            print(f"answered, no key pressed; length of the call: {length}")
        else:
            print(f"pressed {report.key_pressed}; length of the call: {length}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
