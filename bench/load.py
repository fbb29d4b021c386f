"""Requests at a steady rate, whatever the answers: each is sent on schedule, and none waits for another.

    python -m bench.load 50 URL [URL …]

requests the addresses in turn, that many times a second in total, until its standard input ends. Then it writes a JSON
list with one entry per request: when it was sent and answered, in seconds of the machine's monotonic clock, the status
(0 without an answer), the index of the address, and whether the gateway itself refused it.
"""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_PATIENCE = 15.0  # seconds for one answer
_AHEAD = 4096  # bytes of an answer that are searched


@dataclass(frozen=True)
class Asked:
    """One request and its answer."""

    sent: float
    answered: float
    status: int
    address: int
    refused: bool


async def _ask(url: SplitResult, number: int) -> Asked:
    sent, status, refused = time.monotonic(), 0, False
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(url.hostname, url.port or 80)
            try:
                writer.write(
                    f"GET {url.path or '/'} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n".encode()
                )
                head = (await reader.read(_AHEAD)).decode("latin-1")
                while await reader.read(1 << 16):
                    pass
            finally:
                writer.close()
        status = int(head.split(" ", 2)[1])
        refused = "x-maintenance" in head.lower()
    except (OSError, TimeoutError, IndexError, ValueError):
        status = 0
    return Asked(sent, time.monotonic(), status, number, refused)


async def ask_until_told(rate: float, addresses: list[str]) -> list[Asked]:
    """Send requests until standard input ends."""
    urls = [urlsplit(each) for each in addresses]
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: over.set() if not sys.stdin.buffer.read1(1) else None)  # type: ignore[union-attr]  # it is a pipe
    tasks, turn, count = [], time.monotonic(), 0
    while not over.is_set():
        tasks.append(asyncio.create_task(_ask(urls[count % len(urls)], count % len(urls))))
        count += 1
        turn += 1 / rate
        try:
            async with asyncio.timeout(max(0.0, turn - time.monotonic())):
                await over.wait()
        except TimeoutError:
            continue
    return list(await asyncio.gather(*tasks))


def main() -> None:
    """Send the requests and write the answers."""
    asked = asyncio.run(ask_until_told(float(sys.argv[1]), sys.argv[2:]))
    json.dump([[each.sent, each.answered, each.status, each.address, each.refused] for each in asked], sys.stdout)


if __name__ == "__main__":
    main()
