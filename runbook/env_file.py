"""The env file that Compose reads: what it says, and how one value in it changes and nothing else does."""

import hashlib
import io
import re
from dataclasses import dataclass

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from runbook.errors import EnvFileError
from runbook.host import Command, Host
from runbook.incident.redaction import Redactor, secrets_in

# Values that mean the same to every reader of env files, quoted or not.
_SAFE_VALUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*")
_ASSIGNMENT = re.compile(
    r"""(?P<head>\s*(?:export\s+)?(?P<quote_key>'?)[^=\s']+(?P=quote_key)[^\S\r\n]*=[^\S\r\n]*)
        (?P<value>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^\r\n]*?)
        (?P<tail>[^\S\r\n]+\#[^\r\n]*|[^\S\r\n]*)(?P<end>\r\n|\n|\r|)\Z""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class EnvFile:
    """The env file as it was read: its bytes, its mode as octal digits, its owner and group as numbers."""

    path: str
    content: bytes
    mode: str
    owner: str
    group: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its bytes; tells whether it changed without showing what it says."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def values(self) -> dict[str, str]:
        """Every key with the value that counts, which is that of its last line."""
        found = dotenv_values(stream=io.StringIO(_decode(self.content), newline=""), interpolate=False)
        return {key: value for key, value in found.items() if value is not None}

    def value_of(self, key: str) -> str:
        """The value of `key`. Raises EnvFileError when the file does not set it."""
        value = self.values.get(key)
        if not value:
            raise EnvFileError(
                f"{self.path} does not set {key}, so nothing there says which release runs",
                f"add a line {key}=<the tag that runs now>, or name the right variable in the settings",
            )
        return value

    def with_value(self, key: str, value: str) -> bytes:
        """Return the file's bytes with the value of `key` replaced and every other byte as it was.

        Quotes, comments, line ends and earlier, overridden lines of the same key stay. Raises EnvFileError
        when the key is missing, or its line cannot be changed without guessing.
        """
        if not _SAFE_VALUE.fullmatch(value):
            raise EnvFileError(
                f"{value!r} cannot be written as the value of {key}",
                "use letters, digits and . _ - + : / @ only",
            )
        self.value_of(key)
        pieces = [binding.original.string for binding in _bindings(self.content)]
        # The parser drops a byte order mark; what it does not give back is put in front again.
        mark = self.content[: len(self.content) - len(_encode("".join(pieces)))]
        place = max(n for n, binding in enumerate(_bindings(self.content)) if binding.key == key)
        pieces[place] = _replace_value(pieces[place], value, key, self.path)
        return mark + _encode("".join(pieces))


def _decode(content: bytes) -> str:
    return content.decode("utf-8", errors="surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def _bindings(content: bytes) -> list[Binding]:
    return list(parse_stream(io.StringIO(_decode(content), newline="")))


def _replace_value(statement: str, value: str, key: str, path: str) -> str:
    match = _ASSIGNMENT.match(statement)
    if match is None:
        raise EnvFileError(
            f"the line of {path} that sets {key} is written in a way that is not understood",
            f"write it as {key}=VALUE",
        )
    quote = match["value"][:1] if match["value"][:1] in ("'", '"') else ""
    return f"{match['head']}{quote}{value}{quote}{match['tail']}{match['end']}"


class EnvFileOnHost:
    """The env file where it lies on the production host."""

    def __init__(self, host: Host, path: str, redactor: Redactor, deadline: float, listed: tuple[str, ...]) -> None:
        """`deadline` is in seconds for each command; `listed` names variables that are secret besides the obvious."""
        self._host = host
        self._redactor = redactor
        self._deadline = deadline
        self._listed = listed
        self.path = path

    def at(self, path: str) -> "EnvFileOnHost":
        """The same for another file: a copy of it."""
        return EnvFileOnHost(self._host, path, self._redactor, self._deadline, self._listed)

    def read(self) -> EnvFile:
        """Read it, and learn its secrets before anything else can be written down.

        Raises EnvFileError when it is not there or not readable.
        """
        # A link is followed once, here: replacing the link itself would cut it off from its file.
        real = self._host.run(self._command("readlink", "-e", "--", self.path))
        path = real.text.rstrip("\n")
        if real.exit_code != 0 or not path:
            raise EnvFileError(f"there is no env file at {self.path}", "check project.directory and project.env_file")
        stat = self._host.run(self._command("stat", "--format=%a %u %g", "--", path))
        content = self._host.run(self._command("cat", "--", path, secret_output=True))
        if stat.exit_code != 0 or content.exit_code != 0:
            why = content.last_words if content.exit_code else stat.last_words
            raise EnvFileError(f"the env file {path} cannot be read: {why}", "run this as the user who deploys")
        mode, owner, group = stat.text.split()
        env_file = EnvFile(path, content.stdout, mode, owner, group)
        self._redactor.learn_all(secrets_in(env_file.values, self._listed))
        return env_file

    def replacing(self, env_file: EnvFile, content: bytes, keep: str) -> tuple[Command, ...]:
        """The commands that put `content` in the place of `env_file` in one step, and keep the old one as `keep`.

        Mode, owner and extended attributes stay. At no moment is there no file, or half of one.
        """
        new = f"{env_file.path}.new"
        return (
            self._command("cp", "--preserve=all", "--", env_file.path, keep),
            self._command("cp", "--preserve=all", "--attributes-only", "--", env_file.path, new),
            self._command("dd", f"of={new}", "conv=fsync", "status=none", stdin=content),
            self._command("mv", "--force", "--", new, env_file.path),
            self._command("sync", "--", env_file.path),
        )

    def _command(self, *argv: str, stdin: bytes | None = None, secret_output: bool = False) -> Command:
        return Command(argv, self._deadline, stdin=stdin, secret_output=secret_output)
