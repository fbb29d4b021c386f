r"""SQL text split into parsed statements. A part that cannot be parsed comes with the reason.

The parser is pglast, PostgreSQL's own grammar. Text nested about 10,000 levels deep crashes the process, and parsing
takes about a second per 4,000 statements. Hence the limits below.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pglast import normalize, parse_sql
from pglast.parser import ParseError, scan, split

SHOWN = 240
_COMMENTS = re.compile(r"(?:\s*--[^\n]*\n)*\s*")
_RUNNING = re.compile(r"^-- Running upgrade [^\n]*-> (\S+)", re.MULTILINE)
_ALWAYS_SHALLOW = 10_000  # characters, which is at most 5,000 levels
_DEEPEST = 5_000  # levels
_LONGEST = 1_000_000  # characters of one statement
_MOST = 20_000  # statements that differ in more than their data


@dataclass(frozen=True)
class Statement:
    """A statement: its text, and its syntax tree or the reason why there is none.

    `node` is a pglast node. It is typed Any because its class selects the rule from a table, which a type checker
    cannot follow. `place` is the statement's number, from 1.
    """

    text: str
    node: Any = None
    problem: str = ""
    place: int = 0

    @property
    def shown(self) -> str:
        """The statement on one line, shortened, without leading comments, with control characters escaped."""
        return shortened(self.text[end.end() :] if (end := _COMMENTS.match(self.text)) else self.text)


def shortened(text: str, most: int = SHOWN) -> str:
    """Return `text` on one line of at most `most` characters, safe to print to a terminal."""
    line = " ".join(text[: most * 4].split())
    line = line if len(line) <= most and len(text) <= most * 4 else line[: most - 1] + "…"
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in line)


def statements_of(sql: str) -> Iterator[Statement]:
    """Split `sql` into statements. A part that cannot be parsed is a statement with a problem.

    >>> [(statement.text, statement.place) for statement in statements_of("DROP TABLE a; DROP TABLE b")]
    [('DROP TABLE a', 1), ('DROP TABLE b', 2)]
    """
    parse = _Parser()
    readable, rest = _scannable(sql)
    count = 0
    for count, part in enumerate(_parts(readable), 1):
        yield replace(parse(part), place=count)
    if rest:
        yield Statement(rest[0], problem=rest[1], place=count + 1)


def revisions_of(sql: str) -> dict[int, str]:
    """Return the revision of each statement, by the statement's place, as named in Alembic's comments."""
    found, revision = {}, None
    for place, part in enumerate(_parts(_scannable(sql)[0]), 1):
        comments = _COMMENTS.match(part)
        named = _RUNNING.findall(comments.group() if comments else "")
        revision = named[-1] if named else revision
        if revision is not None:
            found[place] = revision
    return found


def _parts(sql: str) -> Iterator[str]:
    """Yield the statements in `sql`, and other text between semicolons, some of which the splitter skips."""
    at = 0
    for place in split(sql, with_parser=False, only_slices=True) if sql.strip() else ():
        yield from _skipped(sql[at : place.start])
        yield sql[place]
        at = place.stop
    yield from _skipped(sql[at:])


def _skipped(gap: str) -> Iterator[str]:
    if gap.strip("; \t\r\n\f\v"):
        yield gap


# PostgreSQL's parser stops at NUL, and a lone surrogate cannot be encoded for it.
_UNREADABLE = re.compile("[\0\ud800-\udfff]")


def _scannable(sql: str) -> tuple[str, tuple[str, str] | None]:
    """Return `sql` up to what cannot be split into statements (an open quote), and the rest with the reason."""
    readable = sql
    rest: tuple[str, str] | None = None

    def cut(at: int, reason: str) -> None:
        nonlocal readable, rest
        end = max(readable.rfind(";", 0, at), 0)
        readable, rest = sql[:end], (sql[end:].lstrip(";"), reason)

    if found := _UNREADABLE.search(sql):
        cut(found.start(), f"it contains {found.group()!a}, at which PostgreSQL's parser stops")
    while readable:
        try:
            split(readable, with_parser=False, only_slices=True)
        except ParseError as error:
            at = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
            cut(min(at, len(readable)), f"PostgreSQL's parser refuses it: {_message(error)}")
        else:
            break
    return readable, rest


class _Parser:
    """A parser for single statements. Statements that differ only in their data are parsed once."""

    def __init__(self) -> None:
        self.parsed: dict[str, Statement] = {}

    def __call__(self, text: str) -> Statement:
        if len(text) > _LONGEST:
            return Statement(text, problem=f"a statement of {len(text):,} characters is too long to be judged")
        try:
            key = _without_data(text)
            if key not in self.parsed:
                if len(self.parsed) >= _MOST:
                    return Statement(text, problem=f"more than {_MOST:,} statements are too many to be judged")
                self.parsed[key] = self._parsed(key)
            found = self.parsed[key]
        except ParseError as error:
            hint = "; psql's own commands cannot be judged" if text.lstrip().startswith("\\") else ""
            return Statement(text, problem=f"PostgreSQL's parser refuses it: {_message(error)}{hint}")
        return Statement(text, found.node, found.problem)

    @staticmethod
    def _parsed(text: str) -> Statement:
        if len(text) > _ALWAYS_SHALLOW and _levels(text) > _DEEPEST:
            return Statement(text, problem=f"it is nested more than {_DEEPEST:,} levels deep")
        trees = parse_sql(text)
        if len(trees) != 1:
            return Statement(text, problem="it is not a single statement") if trees else Statement(text)
        return Statement(text, trees[0].stmt)


def _without_data(text: str) -> str:
    """Return the key of a statement in the cache: for INSERT, UPDATE and DELETE, constants become `$1` and so on."""
    shallow = len(text) <= _ALWAYS_SHALLOW
    return normalize(text) if shallow and text.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"} else text


def _levels(text: str) -> int:
    """Return an upper bound for the depth of the tree of `text`: only what commas separate is certain not to nest."""
    levels, most = [0], [0]
    for token in scan(text):
        mark = text[token.start : token.end + 1] if token.end == token.start else ""
        if mark in {"(", "["}:
            levels.append(0)
            most.append(0)
        elif mark in {")", "]"} and len(levels) > 1:
            inner = max(most.pop(), levels.pop())
            levels[-1] += inner + 1
        elif mark == ",":
            most[-1] = max(most[-1], levels[-1])
            levels[-1] = 0
        else:
            levels[-1] += 1
    return sum(map(max, levels, most))


def _message(error: ParseError) -> str:
    return shortened(str(error.args[0]) if error.args else str(error), 160)
