"""Errors in a stream of logs: lines that the fast search skips are no errors, however the stream is cut."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import logs as bench
from runbook.production.logs.counter import ErrorCounter, signature_of
from runbook.production.logs.lines import LinesOfOne
from tests.support.campaigns import examples
from tests.unit.production.logs import test_lines, test_reader

#: Lines between errors and stack frames, and lines that change how others are read.
ODD = (
    "", " ", "  at handler (app.js:3:1)", "\tat com.example.Shop.pay(Shop.java:41)", "TypeError is what we look at",
    "cannot read price", "Traceback (most recent call last):", '  File "a.py", line 1, in f', "KeyError: 'sku'", "Odd:",
    '{"level":30,"msg":"x"}', '{"level":50,"msg":"x"}', '{"total":3}', "<3>disk", "<6>disk", "level=e msg=x", "level=i",
    "E1218 03:00:00.1 7 a.go:1] x", "0 errors", "10 errors", "order 7 failed", "\x1b[31mERROR\x1b[0m x", "E\x1b[0mRROR",
    "a\rERROR b", "a\x0bERROR: b", "a\u2028ERROR: b", '{"l":"\\u0045"}', "ünïcode", "    + Exception Group Traceback",
)  # fmt: skip


def lines_of(module: ModuleType) -> Iterator[str]:
    """Yield every line of the parameters of that module's tests."""
    for function in vars(module).values():
        for mark in getattr(function, "pytestmark", ()):
            for row in mark.args[1] if mark.name == "parametrize" else ():
                given = row.values if isinstance(row, type(pytest.param())) else row
                for value in given if isinstance(given, tuple) else (given,):
                    yield from value.split("\n") if isinstance(value, str) else ()


KNOWN = tuple(dict.fromkeys([*lines_of(test_lines), *lines_of(test_reader), *ODD]))


def one_by_one(text: str) -> Counter[str]:
    """Return the counts from examining each line, as the reference."""
    found: Counter[str] = Counter()
    containers: defaultdict[str, LinesOfOne] = defaultdict(LinesOfOne)
    for raw in text.encode("utf-8", errors="replace").decode("utf-8", errors="replace").split("\n"):
        match = re.match(r"^([\w.-]+)\s*\|\s?(.*)$", raw)
        name, line = (match[1], match[2]) if match else ("", raw)
        for error in containers[name].errors_in(line):
            found[signature_of(re.sub(r"-\d+$", "", name), error)] += 1
    return found


def counted(text: str, *, pieces: int = 1) -> Counter[str]:
    counter, content = ErrorCounter(), text.encode("utf-8", errors="replace")
    size = max(len(content) // pieces, 1)
    for at in range(0, len(content), size):
        counter.feed(content[at : at + size])
    counter.end()
    return counter.counts


@pytest.mark.parametrize("line", KNOWN)
def test_line_by_itself(line: str) -> None:
    """Each line of the other tests is judged as in the reference, also the second time, when it is cached."""
    text = f"api-1  | {line}\napi-1  | {line}"
    assert counted(text) == one_by_one(text)


@settings(max_examples=examples(1000), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["api-1  | ", "jobs-1  | ", "jobs-2 | "]), st.sampled_from(KNOWN)), max_size=40),
    st.integers(1, 9),
)
def test_lines_in_any_order_and_pieces(drawn: list[tuple[str, str]], pieces: int) -> None:
    """Interleaved lines of containers are counted right, even if a piece ends within a line."""
    text = "\n".join(prefix + line for prefix, line in drawn)
    assert counted(text, pieces=pieces) == one_by_one(text)


@settings(max_examples=examples(500), deadline=None)
@given(st.text(st.sampled_from('eErRoO0159:{}<>"=lv f.|\t\n'), max_size=200))
def test_any_text(text: str) -> None:
    """Random text, with or without a container's name, is counted as in the reference."""
    assert counted(text) == one_by_one(text)


def test_numbers_that_decide_are_not_taken_for_the_same() -> None:
    """Lines that differ only in numbers share a cached result only if the numbers decide nothing."""
    text = "\n".join(f'api-1  | {{"level":{level},"error":"x"}}' for level in (30, 50, 20, 60))
    assert sum(counted(text).values()) == 2
    text = "\n".join(f"api-1  | {number} errors, err={number}" for number in (0, 3, 0, 7))
    assert counted(text) == one_by_one(text)


def test_new_signatures_hidden_in_many_lines() -> None:
    """In a sample of bench/logs.py exactly the new signatures are found, each once."""
    counter = ErrorCounter()
    for piece in bench.pieces(4 << 20):
        counter.feed(piece)
    counter.end()
    assert set(counter.counts) - set(bench.KNOWN) == set(bench.NEW)
    assert [counter.counts[signature] for signature in bench.NEW] == [1, 1, 1]


def test_same_stack_again_and_again() -> None:
    """Each traceback counts by its own last line, and an error line within it counts too."""
    stack = ["Traceback (most recent call last):", '  File "a.py", line 7, in price', "    return RATES[currency]"]
    ends = ["KeyError: 'EUR'", "KeyError: 'EUR'", "shop.NoRate", "KeyError: 'USD'"]
    lines = [
        line for end in ends for line in [*stack, "ERROR in between", *stack[1:], end, "    return RATES[currency]"]
    ]
    counter = ErrorCounter()
    counter.feed("".join(f"api-1 | {line}\n" for line in lines).encode())
    assert counter.counts == {
        "api: KeyError: 'EUR'": 2,
        "api: KeyError: 'USD'": 1,
        "api: shop.NoRate": 1,
        "api: ERROR in between": 4,
    }


def test_frame_within_a_traceback_hangs_on_the_line_before_it() -> None:
    """A stack frame makes the line before it an error, also inside a traceback that never ended."""
    frame = "\tat com.example.Shop.pay(Shop.java:41)"
    lines = ["Traceback (most recent call last):", "ERROR first", frame, "  cannot read price", frame]
    counter = ErrorCounter()
    counter.feed("".join(f"api-1 | {line}\n" for line in lines).encode())
    assert counter.counts == {"api: ERROR first": 1, "api: cannot read price": 1}


def test_stack_of_each_request_costs_little() -> None:
    """A release that logs a stack per request is counted fast: 40,000 lines within 2 s of CPU time."""
    frame = [f'  File "/srv/app/part{n}.py", line {n}, in call\n    return await part{n}()' for n in range(40)]
    stack = "\n".join(["ERROR GET /orders failed", "Traceback (most recent call last):", *frame, "KeyError: 'EUR'"])
    block = "".join(f"api-1 | {line}\n" for line in stack.splitlines()).encode() * 480
    counter, began = ErrorCounter(), time.process_time()
    counter.feed(block)
    assert time.process_time() - began < 2
    assert counter.counts["api: KeyError: 'EUR'"] == 480
