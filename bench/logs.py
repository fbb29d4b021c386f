"""How fast errors are found in logs, and in how much memory: 200 MB that contain three new signatures.

.venv/bin/python -m bench.logs
"""

import random
import resource
import sys
import time
from collections.abc import Iterator

from runbook.production.logs.counter import ErrorCounter

#: The signatures that are known, and the three new ones.
KNOWN = (
    "jobs: <time> ERROR worker order <n> could not be totalled: KeyError sku",
    "api: <time> ERROR app.payments gateway answered <n>, attempt <n>",
)
NEW = (
    "api: <time> ERROR app.orders order <n> has no customer",
    "api: ZeroDivisionError: division by zero",
    'jobs: {"time":"<time>","level":"error","message":"heartbeat lost"}',
)
_PIECE = 1 << 20


def pieces(size: int) -> Iterator[bytes]:
    """Yield logs of about that many bytes: access logs, JSON, known errors in every 30th line, each new one once."""
    made = random.Random(4711)  # noqa: S311 - no secret
    blocks = [_block(made) for _ in range(4)]
    hidden = [
        b"api-1   | 2025-12-18 03:11:07,912 ERROR app.orders order 4711 has no customer\n",
        b"\n".join(
            (
                b"api-1   | Traceback (most recent call last):",
                b'api-1   |   File "/app/totals.py", line 7, in mean',
                b"api-1   | ZeroDivisionError: division by zero\n",
            )
        ),
        b'jobs-1  | {"time":"2025-12-18T03:11:09Z","level":"error","message":"heartbeat lost"}\n',
    ]
    count = max(size // _PIECE, 4)
    for number in range(count):
        yield blocks[number % len(blocks)]
        if number in (count // 5, count // 2, count - 1):
            yield hidden.pop(0)


def _block(made: random.Random) -> bytes:
    lines: list[str] = []
    size = 0
    while size < _PIECE:
        lines.append(_line(made, len(lines)))
        size += len(lines[-1]) + 1
    return ("\n".join(lines) + "\n").encode()


def _line(made: random.Random, number: int) -> str:
    time_of = f"2025-12-18 03:{made.randrange(60):02}:{made.randrange(60):02},{made.randrange(1000):03}"
    order, request = made.randrange(10**6), f"{made.randrange(16**12):012x}"
    if number % 30 == 0:
        return f"jobs-1  | {time_of} ERROR worker order {order} could not be totalled: KeyError sku"
    if number % 30 == 15:
        return f"api-1   | {time_of} ERROR app.payments gateway answered 502, attempt {made.randrange(1, 9)}"
    if number % 3:
        client = f"10.0.{made.randrange(256)}.{made.randrange(256)}:{made.randrange(65536)}"
        return f'api-1   | {time_of} INFO uvicorn.access {client} - "GET /orders/{order} HTTP/1.1" 200 {request}'
    stamp = time_of.replace(" ", "T").partition(",")[0]
    return (
        f'jobs-1  | {{"time":"{stamp}Z","level":"info","message":"order {order} is totalled","id":"{request}","ms":17}}'
    )


def main() -> int:
    """Measure, print the result, and return 0 if exactly the three new signatures were found, otherwise 1."""
    size = 200_000_000
    made = list(pieces(size))
    total = sum(map(len, made))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counter, began = ErrorCounter(), time.process_time()
    for piece in made:
        counter.feed(piece)
    counter.end()
    seconds = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    new = sorted(set(counter.counts) - set(KNOWN))
    sys.stdout.write(
        f"{total / 1e6:.0f} MB, {sum(counter.lines.values()):,} lines, {sum(counter.counts.values()):,} errors:"
        f" {total / 1e6 / seconds:.0f} MB/s of processor time, {grown / 1024:.0f} MiB more memory\n"
        f"new: {'; '.join(new)}\n"
    )
    return 0 if new == sorted(NEW) else 1


if __name__ == "__main__":
    sys.exit(main())
