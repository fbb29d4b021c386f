"""The env file: its values as Compose reads them, and the replacement of one value that keeps every other byte."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from runbook.errors import EnvFileError, FileUnreadable, RunbookError
from runbook.hosts.command import Command, Completed
from runbook.hosts.replaced_file import replace_commands
from runbook.production.compose import Production, unescaped
from runbook.production.invocation import absolute_path
from runbook.secrets.redactor import Redactor, secrets_in

# Values that every reader of env files reads the same, quoted or not.
_SAFE_VALUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*")
# The part of Compose's error that can be shown. The line itself follows, and may contain a secret.
_COMPLAINT = re.compile(
    r"line \d+: [a-z ]+|required variable \w+ is missing a value|Invalid template|couldn't find env file: .*"
)
_NAME = re.compile(r"(?<![\w.\-\[\]])([\w.\-\[\]]+)[^\S\n]*(?=[=:\n]|\Z)")
# A quoted value ends at its closing quote, with or without backslash escapes. The text after it is kept.
_VALUES = (
    r"(?P<quote>[\"'])(?:\\.|(?!(?P=quote))[^\\])*(?P=quote)",
    r"(?P<quote>[\"'])(?:(?!(?P=quote)).)*(?P=quote)",
    r"(?P<quote>)[^\n]*?(?=[^\S\n]+\#[^\n]*(?:\n|\Z)|[^\S\n]*(?:\n|\Z))",
    r"(?P<quote>)[^\r\n]*",
)
_MOST_PLACES = 20
# $1 is the length of the document on standard input. The env file's bytes follow it. The other arguments are the
# command. Both inputs go to files that are unlinked at once, so that nothing stays on the host, however this ends.
_READ = """
set -eu
umask 077
there=/dev/shm; [ -w "$there" ] || there=${TMPDIR:-/tmp}
file=$(mktemp -- "$there/runbook.XXXXXXXX"); exec 3<>"$file"; rm -f -- "$file"
file=$(mktemp -- "$there/runbook.XXXXXXXX"); exec 4<>"$file"; rm -f -- "$file"
head -c "$1" > "/proc/$$/fd/4"; cat > "/proc/$$/fd/3"; shift
count=$#
for part; do
    [ "$part" != CONTENT ] || part=/proc/$$/fd/3
    set -- "$@" "$part"
done
shift "$count"
"$@" < "/proc/$$/fd/4"
"""


@dataclass(frozen=True)
class EnvFile:
    """The env file as it was read: bytes, mode in octal, numeric owner and group.

    `values` maps the names that it sets to the values that Compose gives them.
    """

    path: str
    content: bytes
    mode: str
    owner: str
    group: str
    values: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    def value_of(self, key: str) -> str:
        """Return the value of `key`. Raises EnvFileError when it is unset or empty."""
        value = self.values.get(key)
        if not value:
            raise EnvFileError(
                f"{self.path} does not set {key}",
                f"add a line {key}=<the value that production runs with>, or correct the variable in the settings",
            )
        return value


class EnvFileOnHost:
    """The env file on the production host."""

    def __init__(
        self, production: Production, path: str, redactor: Redactor, listed: Iterable[str], *, alone: bool = False
    ) -> None:
        """`listed` names secret variables whose names do not look secret.

        Compose reads the file instead of the settings' env file, with production's other env files unless `alone`.
        """
        self._production = production
        self._redactor = redactor
        self._listed = tuple(listed)
        self._alone = alone
        self.path = path

    def at(self, path: str, *, alone: bool = False) -> "EnvFileOnHost":
        """Return the same for another file: a copy, or a file to read `alone`."""
        return EnvFileOnHost(self._production, path, self._redactor, self._listed, alone=alone)

    def read(self) -> EnvFile:
        """Read the file, get its values from Compose, and teach the redactor its secrets.

        Raises EnvFileError when the file is missing, or when it or Compose's answer cannot be read.
        """
        try:
            # Links are followed: the file itself is replaced later, because replacing the link would break it.
            found = self._production.files.content(self.path, secret=True)
        except FileUnreadable as error:
            raise EnvFileError(f"the env file {error.seen}", error.next_step) from None
        if found is None:
            raise EnvFileError(
                f"the env file {self.path} does not exist", "check project.directory and project.env_file"
            )
        values = self._asked(found.path, names_in(found.content))
        self._redactor.learn_all(secrets_in(values, self._listed))
        return EnvFile(found.path, found.content, found.mode, found.owner, found.group, values)

    def values_of(self, names: Iterable[str]) -> dict[str, str]:
        """Return the values that Compose gives to these names from all env files. Unset names are left out.

        Raises EnvFileError when Compose cannot read the env files.
        """
        return self._asked(self.path, names)

    def values_if(self, env_file: EnvFile, key: str, value: str) -> dict[str, str]:
        """Return the values that Compose would give if `key` had this value, including values derived from it.

        Raises EnvFileError when Compose cannot read the env files.
        """
        return self._asked(env_file.path, names_in(env_file.content), instead=(key, value))

    def is_secret(self, name: str, text: str) -> bool:
        """Return whether `text`, the value of `name`, is or contains a secret of production."""
        return any(secrets_in({name: text}, self._listed)) or self._redactor.text(text) != text

    def _asked(
        self, path: str, names: Iterable[str], content: bytes | None = None, instead: tuple[str, str] | None = None
    ) -> dict[str, str]:
        # Renders a service with these variables. `content` replaces the file's bytes. `instead` is a name and a value
        # set in the environment, which overrides the file.
        document = json.dumps({"services": {"values": {"image": "values", "environment": list(names)}}}).encode("ascii")
        prefix = ("env", "=".join(instead)) if instead else ()
        place = path if content is None else "CONTENT"
        compose = self._production.compose_with_env_file(place, alone=self._alone)
        argv = (*prefix, *compose, *("-f", "-", "config", "--format", "json"))

        def read(answer: Completed) -> dict[str, str]:
            try:
                found = json.loads(answer.text)["services"]["values"].get("environment") or {}
                return {name: unescaped(value) for name, value in found.items() if value is not None}
            except (ValueError, LookupError, AttributeError, TypeError):
                raise self._not_read(path, answer) from None

        def ask() -> Completed:
            answer = self._run(*argv, stdin=document, secret_output=True)
            read(answer)  # raises, so that an unreadable answer is not cached
            return answer

        # Compose reads the same bytes alike wherever they are, so its answer is cached by the bytes.
        read_too = () if self._alone else self._production.invocation.env_files
        others = [each for each in read_too if each != self._production.project.env_file]
        if content is None:
            return read(self._production.made_from((), (path, *others), (prefix, document, self._alone), ask))
        size = str(len(document))

        def ask_of_bytes() -> Completed:
            reading = ("sh", "-c", _READ, "sh", size, *argv)
            answer = self._run(*reading, stdin=document + content, secret_output=True)
            read(answer)
            return answer

        given, key = {absolute_path(self._production.project, path): content}, (prefix, document, self._alone)
        return read(self._production.made_from((), (path, *others), key, ask_of_bytes, given))

    def _not_read(self, path: str, answer: Completed) -> EnvFileError:
        complaint = _COMPLAINT.search(answer.errors)
        why = complaint[0].strip() if complaint else f"exit code {answer.exit_code}"
        files = [part for name in self._production.invocation.files for part in ("-f", name)]
        asking = (*self._production.compose_with_env_file(path, alone=self._alone), *files, "config", "--quiet")
        return EnvFileError(
            f"Compose cannot read the env file {path}: {why}",
            "fix the error that this reports, on the host:"
            f" {shlex.join(('cd', self._production.directory))} && {shlex.join(asking)}",
        )

    def with_value(self, env_file: EnvFile, key: str, value: str) -> bytes:
        """Return the file's bytes with the value of `key` replaced and every other byte unchanged.

        Compose has confirmed them: they give `key` this value, and all other names their previous values, except names
        derived from `key`. Raises EnvFileError when the value has unsafe characters, when the key is missing, or when
        no such bytes are found.
        """
        if not _SAFE_VALUE.fullmatch(value):
            raise EnvFileError(f"{value!r} is not a safe value for {key}", "use only letters, digits and . _ - + : / @")
        env_file.value_of(key)
        if env_file.values[key] == value:
            return env_file.content
        spoilt: list[str] = []
        for content in rewritings(env_file.content, key, value):
            try:
                now = self._asked(env_file.path, names_in(content), content)
            except EnvFileError:
                continue
            if now.get(key) != value:
                continue
            spoilt = self._spoilt(env_file, now, key, value)
            if not spoilt:
                return content
        if spoilt:
            raise EnvFileError(
                f"{key} cannot be changed in {env_file.path} without changing {', '.join(spoilt)}",
                f"write {key}=VALUE on a separate line there",
            )
        raise EnvFileError(
            f"Compose reads {key}={env_file.values[key]} whatever {env_file.path} sets: it is set elsewhere"
            " (host.environment in the settings, a later env file), or its line has an unknown form",
            f"write {key}=VALUE on a separate line at the end of {env_file.path}, and set it nowhere else",
        )

    def with_values(self, env_file: EnvFile, values: Mapping[str, str]) -> EnvFile:
        """Return the file with a new value for each of these names. Raises EnvFileError as `with_value` does."""
        for key, value in values.items():
            content = self.with_value(env_file, key, value)
            env_file = replace(env_file, content=content, values=self._asked(env_file.path, names_in(content), content))
        return env_file

    def _spoilt(self, env_file: EnvFile, now: dict[str, str], key: str, value: str) -> list[str]:
        # Names whose values are neither unchanged nor derived from the new value of `key`.
        before = env_file.values
        other = [name for name in now.keys() | before.keys() if name != key and now.get(name) != before.get(name)]
        if not other:
            return []
        following = self._asked(env_file.path, other, env_file.content, (key, value))
        return sorted(name for name in other if now.get(name) != following.get(name))

    def replace_commands(self, env_file: EnvFile, content: bytes, keep: str) -> tuple[Command, ...]:
        """Return the commands that replace `env_file` with `content` atomically, and keep the old file as `keep`.

        Only the link to the env file itself is followed. `Host.check` raises EnvFileError as `replaced_file` says.
        """
        command, sha256 = self._command, env_file.fingerprint
        return replace_commands(command, env_file.path, sha256, content, keep, error=EnvFileError)

    def _run(self, *argv: str, stdin: bytes | None = None, secret_output: bool = False) -> Completed:
        return self._production.host.run(self._command(*argv, stdin=stdin, secret_output=secret_output))

    def _command(
        self,
        *argv: str,
        stdin: bytes | None = None,
        secret_output: bool = False,
        means: tuple[tuple[int, RunbookError], ...] = (),
    ) -> Command:
        command = self._production.command(*argv, stdin=stdin)
        return replace(command, secret_output=secret_output, means=means)


def names_in(content: bytes) -> tuple[str, ...]:
    """Return every word that Compose could read as a name. The file may not set all of them."""
    return tuple(dict.fromkeys(_NAME.findall(_decode(content))))


def rewritings(content: bytes, key: str, value: str) -> Iterator[bytes]:
    r"""Yield ways to set `key` to `value` by changing one place of the file, most likely first.

    Every byte outside the value is kept. At most one way is right: Compose decides what the file means.

    >>> next(rewritings(b"IMAGE_TAG=v2 # now\n", "IMAGE_TAG", "v1"))
    b'IMAGE_TAG=v1 # now\n'
    """
    text = _decode(content)
    found = re.finditer(rf"(?<![\w.\-\[\]]){re.escape(key)}[^\S\n]*[=:][^\S\n]*", text)
    # The last assignment counts. Places in comments or in other values are tried last.
    places = sorted(found, key=lambda place: (_begins_line(text, place.start()), place.start()), reverse=True)
    seen = set()
    for place in places[:_MOST_PLACES]:
        for pattern in _VALUES:
            old = re.compile(pattern, re.DOTALL).match(text, place.end())
            if old is None:
                continue
            quote = old["quote"]
            new = f"{text[: old.start()]}{quote}{value}{quote}{text[old.end() :]}"
            if new not in seen:
                seen.add(new)
                yield new.encode("utf-8", errors="surrogateescape")


def _begins_line(text: str, at: int) -> bool:
    before = text[text.rfind("\n", 0, at) + 1 : at].lstrip("\ufeff")
    return before.removeprefix("export").strip() == ""


def _decode(content: bytes) -> str:
    return content.decode("utf-8", errors="surrogateescape")
