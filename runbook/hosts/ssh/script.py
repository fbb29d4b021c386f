"""The shell script on the host that starts one command over SSH and ends with it.

The script reports its process and waits. Once that is on record, it is sent the command with its environment and
standard input, so that none of them is in an argv on either side. From then on its standard input is a lifeline. When
it ends, because the connection or the run has died, the script stops the command's whole process group. If the
connection is dead and the server does not notice, timeout(1) stops the command `LATE` seconds after its deadline.
"""

import base64
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from runbook.hosts.command import Begun, Command

#: Seconds between timeout(1)'s SIGTERM and its SIGKILL.
KILLED_AFTER = 5
#: Seconds after its deadline at which the host stops a command that still runs.
LATE = 15

# $1 is a word that marks the script's own lines. The script must contain no single quote and no line break, so that
# every login shell (fish, csh) passes it on unchanged.
_STARTER = (
    "read -r b </proc/sys/kernel/random/boot_id; read -r h </proc/sys/kernel/hostname; read -r s </proc/$$/stat; "
    's=${s##*") "}; set -- "$1" $s; '
    'printf "\\n%s\\n" "$1"; '
    'printf "%s %s %s %s %s %s\\n" "$1" "$$" "${21}" "$h" "$b" "$(readlink /proc/self/ns/pid)" >&2; '
    'read -r n && p=$(head -c "$n") && [ "${#p}" -eq "$n" ] && eval "$(printf %s "$p" | base64 -d)"'
)
# Of the login shell's variables only PATH reaches the script. The command's environment is sent to it.
_CLEAN = 'exec env -i "PATH=$PATH" sh -c "$0" runbook "$1"'

# SIGTERM goes to the process group, not only to timeout(1): at the moment of its fork, the signal would end timeout and
# leave its child running. Without a group yet, the process may still be the forked shell, which swallows the signal.
# Therefore the signal is repeated.
_RUNNER = """\
told() {{ printf '\\n%s %s\\n' {mark} "$1" >&2; exit 0; }}
{exports}
{folder}command -v -- {program} >/dev/null 2>&1 || told missing
exec 3<&0
stop() {{
for i in 1 2 3; do
kill -s TERM -- "-$c" 2>/dev/null && return
kill -s TERM "$c" 2>/dev/null || return
sleep 1
done
}}
trap 'x=1; [ -z "$c" ] || stop' TERM HUP
x= c=
{given}timeout -k {killed_after} {deadline} {argv} {redirected}3<&- & c=$!
[ -z "$x" ] || stop
(cat <&3; kill -s TERM $$) >/dev/null 2>&1 & w=$!
wait "$c" 2>/dev/null; s=$?
while kill -0 "$c" 2>/dev/null; do wait "$c" 2>/dev/null; s=$?; done
[ -z "$x" ] || {{ kill -s KILL -- "-$c" 2>/dev/null; told stopped; }}
kill "$w" 2>/dev/null
told "$s"
"""


class Ended(NamedTuple):
    """The script's report of its end: the command's `exit_code`, or why there is none.

    `trouble` is `folder` (no such directory) or `missing` (no such program) if the command was not started, and
    `stopped` if the lifeline ended. The connection may still deliver that report.
    """

    exit_code: int | None
    trouble: str = ""


def starter(mark: str) -> str:
    """Return the command for the login shell. `mark` must be a word of letters and digits."""
    return shlex.join(("exec", "sh", "-c", _CLEAN, _STARTER, mark))


def message(command: Command, environment: Mapping[str, str], mark: str) -> bytes:
    """Return the message for the script: the command, its `environment` and its standard input."""
    given = base64.b64encode(command.stdin or b"").decode("ascii")
    text = _RUNNER.format(
        mark=shlex.quote(mark),
        exports="\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        folder=f"cd -- {shlex.quote(command.directory)} 2>/dev/null || told folder\n" if command.directory else "",
        program=shlex.quote(command.argv[0]),
        given="" if command.stdin is None else f"printf %s {shlex.quote(given)} | base64 -d | ",
        killed_after=KILLED_AFTER,
        deadline=f"{command.deadline + LATE:g}",
        argv=shlex.join(command.argv),
        redirected="</dev/null " if command.stdin is None else "",
    )
    # The script runs only a complete message: it checks the length. A part of the text could be a different command.
    packed = base64.b64encode(text.encode())
    return b"%d\n%s" % (len(packed), packed)


def begun(stderr: bytes, mark: str) -> Begun | None:
    """Return the script's process, read from standard error so far; None before the script has reported it."""
    line = rb"^%s (\d+) (\d+) (\S*) ([0-9a-f-]+ \S+)$" % mark.encode()
    found = re.search(line, stderr, re.MULTILINE) if b"\n" in stderr else None
    if found is None:
        return None
    process, started, host, boot = (each.decode("utf-8", errors="replace") for each in found.groups())
    return Begun(int(process), started, host, boot)


def without_greeting(stdout: bytes, mark: str) -> bytes:
    """Return the command's standard output, without the login shell's greeting."""
    return stdout.partition(b"\n%s\n" % mark.encode())[2]


def without_marks(stderr: bytes, mark: str) -> bytes:
    """Return the command's standard error, without the script's lines."""
    head = stderr.find(mark.encode())
    begin = stderr.find(b"\n", head) + 1 if head >= 0 else len(stderr)
    end = stderr.rfind(b"\n%s " % mark.encode())
    return stderr[begin : end if end >= begin - 1 and end != head - 1 else None]


def ended(stderr: bytes, mark: str) -> Ended | None:
    """Return the script's report of its end; None when it did not reach its end."""
    found = re.search(rb"\n%s (\d+|folder|missing|stopped)\n" % mark.encode(), stderr)
    if found is None:
        return None
    said = found[1].decode("ascii")
    return Ended(int(said)) if said.isdigit() else Ended(None, said)
