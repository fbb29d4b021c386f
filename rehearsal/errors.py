"""The error of a rehearsal that cannot continue."""

TAIL_LINES = 15


class RehearsalError(Exception):
    """One line for a person (seen, expected, what to type), and the last lines of a command's output."""

    def __init__(self, line: str, output: str = "") -> None:
        self.line = line
        self.tail = "\n".join(output.strip().splitlines()[-TAIL_LINES:])
        super().__init__(f"{line}\n{self.tail}" if self.tail else line)
