"""Long text on a terminal: no line is too long, no word is lost, and a shell still accepts the commands."""

import shlex
import subprocess

import pytest

from harness.terminal.text_wrap import broken, command_lines

COMMAND = "docker compose -p shop exec -T gateway sh -c 'echo \"a b\" $HOME' --flag=/a/rather/long/path/to/some/file"


@pytest.mark.parametrize("width", [20, 40, 60, 200])
def test_command_is_the_same_over_several_lines(width: int) -> None:
    """A shell reads the same words from the wrapped command as from the original."""
    lines = command_lines(COMMAND, width)
    assert (len(lines) > 1) is (width < len(COMMAND))
    printed = subprocess.run(
        ["sh", "-c", 'printf "%s\\n" ' + "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert printed.stdout.splitlines() == shlex.split(COMMAND)


@pytest.mark.parametrize("text", ["tell people: it's over", "it is\nover", "two  blanks and 'quotes' \"of\" all kinds"])
def test_what_is_no_command_stays_as_it_is(text: str) -> None:
    """A text that is not a command is returned unchanged, without a shell's line continuations."""
    assert command_lines(text, 10) == [text]


def test_text_is_broken_between_words() -> None:
    """No line exceeds the width, and only a word longer than the width is cut."""
    lines = broken("some words and api@sha256:" + "0" * 64 + "\nanother line", 30)
    assert max(map(len, lines)) <= 30
    assert lines[-1] == "another line"
    assert lines[0] == "some words and"[: len(lines[0])] or lines[0].startswith("some words and")
