"""The env file's bytes: the ways to change one value and keep every other byte. Compose decides which is right."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.production.env_file import EnvFile, names_in, rewritings
from tests.support.campaigns import examples

KEY = "IMAGE_TAG"
MOST = 80  # maximum of rewritings to try: each costs a call of Compose
BOM = b"\xef\xbb\xbf"


def env_file(content: bytes) -> EnvFile:
    return EnvFile("/srv/shop/.env", content, "640", "0", "0", {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"A=1\nIMAGE_TAG=v1\nB=2\n", b"A=1\nIMAGE_TAG=v2\nB=2\n", id="plain"),
        pytest.param(b"IMAGE_TAG=v1", b"IMAGE_TAG=v2", id="no-newline-at-end"),
        pytest.param(b"IMAGE_TAG=v1\r\n", b"IMAGE_TAG=v2\r\n", id="crlf"),
        pytest.param(b"\texport  IMAGE_TAG =  'v1'\t# x\n", b"\texport  IMAGE_TAG =  'v2'\t# x\n", id="quoted"),
        pytest.param(b"IMAGE_TAG=v0\nIMAGE_TAG=v1\n", b"IMAGE_TAG=v0\nIMAGE_TAG=v2\n", id="earlier-line-stays"),
        pytest.param(b"IMAGE_TAG=a b\\c$d\n", b"IMAGE_TAG=v2\n", id="strange-old-value"),
        pytest.param(b'IMAGE_TAG="a\nb"\nB=1\n', b'IMAGE_TAG="v2"\nB=1\n', id="old-value-over-lines"),
        pytest.param(b"# \xff\xfe\nIMAGE_TAG=v1\n\xe9=1\n", b"# \xff\xfe\nIMAGE_TAG=v2\n\xe9=1\n", id="not-utf8"),
        pytest.param(BOM + b"IMAGE_TAG=v1\n", BOM + b"IMAGE_TAG=v2\n", id="byte-order-mark"),
        pytest.param(BOM + BOM + b"A=1\nIMAGE_TAG=v1\n", BOM + BOM + b"A=1\nIMAGE_TAG=v2\n", id="two-marks"),
    ],
)
def test_one_value_changes(before: bytes, after: bytes) -> None:
    """The first rewriting changes one value and keeps every other byte."""
    assert next(rewritings(before, KEY, "v2")) == after


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"A=1\nexport B = 2\nC: 3\nD\nE.F-g=", {"A", "B", "C", "D", "E.F-g"}),
        (b'A="1" B=2\r\n\xef\xbb\xbfC=x', {"A", "B", "C"}),
        (b"\xff=1\n\xc3\xa9=2", {"\u00e9"}),
        (b'A="\nB=1\n"', {"A", "B"}),
    ],
)
def test_every_name_is_asked_for(content: bytes, names: set[str]) -> None:
    """Every name that Compose may read from the file is among the names it is asked for."""
    assert names <= set(names_in(content))


# Generated env files consist of these statements, with a known position of the key's value.
LINE = st.characters(blacklist_characters="\r\n\x00\ufeff", blacklist_categories=("Cs",))
ENDS = st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n  \n"])
SAFE = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,20}", fullmatch=True)
COMMENTS = st.builds(
    lambda text, raw: b"#" + text.encode() + raw, st.text(LINE, max_size=20), st.binary(max_size=4)
).filter(lambda line: b"\n" not in line and b"\r" not in line)
OTHER_VALUES = st.one_of(
    SAFE.map(str.encode),
    st.sampled_from([b"", b"a b", b"x # IMAGE_TAG=v9", b"${IMAGE_TAG}", b"postgres://u:p@db/shop?a=b", b"\xff\xfe"]),
    st.sampled_from([b'"a\nIMAGE_TAG=v9\nb"', b'"say \\"hi\\""', b"'it\\'s'", b"'#\r\nIMAGE_TAG=v9'", b'""']),
)
OTHERS = st.builds(
    lambda head, key, value: head + key + b"=" + value,
    st.sampled_from([b"", b"export ", b"\t"]),
    st.sampled_from([b"A", b"MY_IMAGE_TAG", b"IMAGE_TAG_OLD", b"image_tag", b"'QUOTED'"]),
    OTHER_VALUES,
)


@dataclass(frozen=True)
class Assignment:
    """A line that sets the key, split at its value."""

    head: bytes
    quote: bytes
    value: str
    tail: bytes

    def saying(self, value: str) -> bytes:
        return self.head + self.quote + value.encode() + self.quote + self.tail


ASSIGNMENTS = st.builds(
    Assignment,
    st.sampled_from([b"IMAGE_TAG=", b"export IMAGE_TAG=", b"  IMAGE_TAG = ", b"IMAGE_TAG\t=\t"]),
    st.sampled_from([b"", b"'", b'"']),
    SAFE,
    st.sampled_from([b"", b" ", b" # IMAGE_TAG=v9", b" # it's"]),
)
STATEMENTS = st.one_of(COMMENTS, OTHERS, ASSIGNMENTS.map(lambda found: found.saying(found.value)))


@settings(max_examples=examples(400), deadline=None)
@given(
    front=st.builds(
        lambda mark, lines: mark + b"".join(map(b"".join, lines)),
        st.sampled_from([b"", BOM]),
        st.lists(st.tuples(STATEMENTS, ENDS), max_size=6),
    ),
    assignment=ASSIGNMENTS,
    back=st.one_of(
        st.just(b""),
        st.builds(
            lambda end, lines, last: end + b"".join(map(b"".join, lines)) + last,
            ENDS,
            st.lists(st.tuples(st.one_of(COMMENTS, OTHERS), ENDS), max_size=6),
            st.one_of(st.just(b""), COMMENTS, OTHERS),
        ),
    ),
    value=SAFE,
)
def test_only_the_last_assignments_value_changes(front: bytes, assignment: Assignment, back: bytes, value: str) -> None:
    """In any env file a rewriting changes only the last assignment's value, and another one undoes it."""
    original = front + assignment.saying(assignment.value) + back
    changed = front + assignment.saying(value) + back

    assert changed in set(rewritings(original, KEY, value))
    assert original in set(rewritings(changed, KEY, assignment.value))
    assert len(set(rewritings(original, KEY, value))) <= MOST


def test_fingerprint_tells_any_change() -> None:
    """Only equal files have equal fingerprints."""
    assert env_file(b"A=1\n").fingerprint == env_file(b"A=1\n").fingerprint
    assert env_file(b"A=1\n").fingerprint != env_file(b"A=1").fingerprint
