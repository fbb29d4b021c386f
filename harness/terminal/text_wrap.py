"""Wrapping of text for a terminal, and of commands so that they can still be copied."""

import shlex
import textwrap


def broken(text: str, width: int) -> list[str]:
    """Return the lines of `text`, none longer than `width`: broken between words, and inside words that are longer."""
    return [line for part in text.splitlines() for line in textwrap.wrap(part, width, break_on_hyphens=False) or [""]]


def command_lines(command: str, width: int) -> list[str]:
    r"""Return a command as several lines that a shell accepts: broken between words, with a ` \` at each break.

    A word longer than a line stays in one piece. Text that is not a command stays in one line.
    """
    try:
        words = [shlex.quote(word) for word in shlex.split(command)]
    except ValueError:
        return [command]
    if " ".join(words) != command or "\n" in command:
        return [command]
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"  {word}")
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return lines
