"""What runs at the other end of an SSH connection: a small shell script that starts a command and ends with it.

It says which process it is and waits; only when that is on record, it is sent the command, with its environment and
standard input, so that none of them is in an argv on either side. From then on its standard input is a lifeline: when
that ends, because the connection or the run has died, the command is stopped with all of its process group. Should the
connection be dead without the server's knowledge, timeout(1) stops it a little after its deadline.
"""

import base64
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from runbook.hosts.command import Begun, Command

#: Seconds after SIGTERM at which the command is killed, as timeout(1) does it.
KILLED_AFTER = 5
#: Seconds after its deadline at which the host stops a command by itself, if nobody else has.
LATE = 15

# $1 is a word that marks the script's own lines on standard error. No single quote and no line break may be in it, so
# that every login shell (fish, csh) takes it as it is.
_STARTER = (
    "read -r b </proc/sys/kernel/random/boot_id; read -r h </proc/sys/kernel/hostname; read -r s </proc/$$/stat; "
    's=${s##*") "}; set -- "$1" $s; '
    'printf "\\n%s\\n" "$1"; '
    'printf "%s %s %s %s %s %s\\n" "$1" "$$" "${21}" "$h" "$b" "$(readlink /proc/self/ns/pid)" >&2; '
    'read -r n && p=$(head -c "$n") && [ "${#p}" -eq "$n" ] && eval "$(printf %s "$p" | base64 -d)"'
)
# No variable of the login shell reaches the command but those that it is sent.
_CLEAN = 'exec env -i "PATH=$PATH" sh -c "$0" runbook "$1"'

# Not timeout(1) alone is told to stop: a signal at the moment of its fork would end it, and leave its child at work.
# Before it has its group it may be the shell's own copy still, which swallows a signal: so it is told again.
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
    """How the script ended, as it said: `exit_code` of the command, or why there is none.

    `trouble` is `folder` or `missing` (its program) for one that was not started, and `stopped` for one whose lifeline
    ended: its connection may still bring us that.
    """

    exit_code: int | None
    trouble: str = ""


def starter(mark: str) -> str:
    """Return the command for the login shell; `mark` must be a word of letters and digits."""
    return shlex.join(("exec", "sh", "-c", _CLEAN, _STARTER, mark))


def message(command: Command, environment: Mapping[str, str], mark: str) -> bytes:
    """Return what is sent to the script: the command, its `environment` and its standard input."""
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
    # Only the whole is carried out: its length is checked, and a part of it would not decode to the same.
    packed = base64.b64encode(text.encode())
    return b"%d\n%s" % (len(packed), packed)


def begun(stderr: bytes, mark: str) -> Begun | None:
    """Return which process the script is, from standard error so far; None before it has said it."""
    line = rb"^%s (\d+) (\d+) (\S*) ([0-9a-f-]+ \S+)$" % mark.encode()
    found = re.search(line, stderr, re.MULTILINE) if b"\n" in stderr else None
    if found is None:
        return None
    process, started, host, boot = (each.decode("utf-8", errors="replace") for each in found.groups())
    return Begun(int(process), started, host, boot)


def without_greeting(stdout: bytes, mark: str) -> bytes:
    """Return what the command itself wrote to standard output, without what the login shell printed before."""
    return stdout.partition(b"\n%s\n" % mark.encode())[2]


def without_marks(stderr: bytes, mark: str) -> bytes:
    """Return what the command itself wrote to standard error."""
    head = stderr.find(mark.encode())
    begin = stderr.find(b"\n", head) + 1 if head >= 0 else len(stderr)
    end = stderr.rfind(b"\n%s " % mark.encode())
    return stderr[begin : end if end >= begin - 1 and end != head - 1 else None]


def ended(stderr: bytes, mark: str) -> Ended | None:
    """Return how the script ended; None when it did not say, because it did not come to its end."""
    found = re.search(rb"\n%s (\d+|folder|missing|stopped)\n" % mark.encode(), stderr)
    if found is None:
        return None
    said = found[1].decode("ascii")
    return Ended(int(said)) if said.isdigit() else Ended(None, said)
