"""The env file: what it says, and how one value in it changes and every other byte stays."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.env_file import EnvFile
from runbook.errors import EnvFileError

KEY = "IMAGE_TAG"
BOM = b"\xef\xbb\xbf"


def env_file(content: bytes) -> EnvFile:
    return EnvFile("/srv/shop/.env", content, "640", "0", "0")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        pytest.param(b"IMAGE_TAG=v1\n", "v1", id="plain"),
        pytest.param(b"IMAGE_TAG=v1", "v1", id="no-newline-at-end"),
        pytest.param(b"IMAGE_TAG=v1\r\nB=2\r\n", "v1", id="crlf"),
        pytest.param(b"export IMAGE_TAG=v1\n", "v1", id="export"),
        pytest.param(b"  IMAGE_TAG = v1  \n", "v1", id="spaces"),
        pytest.param(b"IMAGE_TAG=v1 # the good one\n", "v1", id="comment-behind"),
        pytest.param(b"IMAGE_TAG=v1#2\n", "v1#2", id="hash-inside"),
        pytest.param(b'IMAGE_TAG="v1" # good\n', "v1", id="double-quotes"),
        pytest.param(b"IMAGE_TAG='v1'\n", "v1", id="single-quotes"),
        pytest.param(b"IMAGE_TAG=v0\nIMAGE_TAG=v1\n", "v1", id="last-line-counts"),
        pytest.param(b"#IMAGE_TAG=v9\nIMAGE_TAG=v1\n# IMAGE_TAG=v9\n", "v1", id="comments-do-not"),
        pytest.param(b"MY_IMAGE_TAG=v9\nIMAGE_TAG=v1\nIMAGE_TAG_OLD=v9\n", "v1", id="names-that-contain-it"),
        pytest.param(b'IMAGE_TAG=v1\nCERT="begin\nIMAGE_TAG=v9\nend"\n', "v1", id="line-inside-another-value"),
        pytest.param(b"# caf\xe9\nIMAGE_TAG=v1\n", "v1", id="not-utf8"),
        pytest.param(BOM + b"IMAGE_TAG=v1\n", "v1", id="byte-order-mark"),
        pytest.param(b"IMAGE_TAG=${VERSION}\nVERSION=v1\n", "${VERSION}", id="not-interpolated"),
    ],
)
def test_value_that_counts(content: bytes, value: str) -> None:
    """The value of a key is what Compose would take from the file."""
    assert env_file(content).value_of(KEY) == value


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty-file"),
        pytest.param(b"OTHER=1\n", id="other-keys-only"),
        pytest.param(b"#IMAGE_TAG=v1\n", id="only-in-a-comment"),
        pytest.param(b"IMAGE_TAG=\n", id="empty-value"),
        pytest.param(b"IMAGE_TAG\n", id="name-without-value"),
        pytest.param(b'X="\nIMAGE_TAG=v1\n"\n', id="only-inside-another-value"),
        pytest.param(b'IMAGE_TAG="v1\n', id="quote-never-closed"),
    ],
)
def test_key_that_is_not_set_is_refused(content: bytes) -> None:
    """A file that does not set the key is refused, for reading and for changing, with the line to add."""
    with pytest.raises(EnvFileError, match="does not set IMAGE_TAG") as caught:
        env_file(content).value_of(KEY)
    assert "IMAGE_TAG=" in caught.value.next_step
    with pytest.raises(EnvFileError):
        env_file(content).with_value(KEY, "v2")


@pytest.mark.parametrize(
    "value",
    ["", "a b", "a\nb", "v1\n", "$(reboot)", "${X}", "a#b", "a'b", 'a"b', "a\\b", "-v1", ".v1", "v1\x00", "é"],
    ids=ascii,
)
def test_value_that_readers_disagree_about_is_refused(value: str) -> None:
    """A value that shells and Compose could read differently is never written."""
    with pytest.raises(EnvFileError, match="cannot be written"):
        env_file(b"IMAGE_TAG=v1\n").with_value(KEY, value)


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
    """Changing a value leaves every other byte as it was."""
    assert env_file(before).with_value(KEY, "v2") == after


# Env files are made of these statements; of each we know exactly where the value of the key stands.
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
    """A line that sets the key, with its value apart."""

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


@settings(max_examples=400, deadline=None)
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
    """In any env file exactly the last assignment's value changes; doing it again or undoing it is exact as well."""
    original = front + assignment.saying(assignment.value) + back
    changed = front + assignment.saying(value) + back

    assert env_file(original).value_of(KEY) == assignment.value
    assert env_file(original).with_value(KEY, value) == changed
    assert env_file(changed).value_of(KEY) == value
    assert env_file(changed).with_value(KEY, value) == changed
    assert env_file(changed).with_value(KEY, assignment.value) == original
    others = {key: said for key, said in env_file(original).values.items() if key != KEY}
    assert {key: said for key, said in env_file(changed).values.items() if key != KEY} == others


def test_fingerprint_tells_any_change() -> None:
    """Two files have one fingerprint only when they are the same."""
    assert env_file(b"A=1\n").fingerprint == env_file(b"A=1\n").fingerprint
    assert env_file(b"A=1\n").fingerprint != env_file(b"A=1").fingerprint
