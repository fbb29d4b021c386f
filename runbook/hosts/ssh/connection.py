"""The SSH connection that all commands, requests and forwards of a run share. It reconnects when it is lost."""

import atexit
import contextlib
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from runbook.errors import NoConnection
from runbook.hosts.command import error_line
from runbook.hosts.process import ManagedProcess
from runbook.hosts.ssh.refusal import refusal, runs_nothing, turned_away, typed
from runbook.settings.host import SshAddress

_CONNECT = 10  # seconds per address of the host's name
_READY = 30.0  # seconds until the host must have answered
_SSH_FAILED = 255  # ssh's exit code for its own failures; otherwise it returns that of the remote command
_ASKED = 20.0  # seconds for a script or a forward
_FIRST_LOOK, _PAUSE = 0.002, 0.02  # seconds between two polls: the first, and later ones
#: The path of a Unix socket has at most 108 bytes, and ssh appends 17.
_LONGEST_FOLDER = 60
#: A path that ssh neither expands nor splits in an option, and that needs no quotes in a shell.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._+-]+")
_FOLDER = "runbook-ssh-"
_ABANDONED = 600.0  # seconds after which a leftover folder is removed
#: The login shell's variables that docker and other commands need.
PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG",
             "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR")  # fmt: skip
# Prints the clock and those variables, then runs until its standard input ends, which keeps the connection open. It
# prints a line every minute, so that the server notices a client that vanished silently. The server then ends
# everything that was started over this connection.
_HOLDER = (
    'date +%s.%N; printf "%s\\n" ' + " ".join(f'"{name}=${name}"' for name in PASSED_ON) + " .; while :; do"
    " timeout 60 cat >/dev/null; case $? in 124|143) echo || exit ;; *) exit ;; esac; done"
)
_TURNED_AWAY, _AFTER = 3, 1.0  # attempts if the server turns the connection away, and seconds between them
_OPTIONS = (
    "BatchMode=yes", "StrictHostKeyChecking=yes", f"ConnectTimeout={_CONNECT}",
    "ServerAliveInterval=5", "ServerAliveCountMax=3", "ControlPersist=no", "RequestTTY=no", "RemoteCommand=none",
    "SessionType=default",
    "PermitLocalCommand=no", "ForkAfterAuthentication=no", "StdinNull=no", "ClearAllForwardings=yes",
)  # fmt: skip

_KEPT: list["Connection"] = []


class Connection:
    """One connection to one address. Thread-safe."""

    def __init__(self, address: SshAddress, config: Path | None = None) -> None:
        """`config` replaces ssh's own configuration files. Nothing is connected yet."""
        self.address = address
        self._config = ("-F", str(config)) if config else ()
        self._lock = threading.RLock()
        self._master: ManagedProcess | None = None
        self._lifeline: int | None = None
        self._folder: Path | None = None
        self._forwards: dict[str, Path] = {}
        self._ahead = 0.0
        self._variables: dict[str, str] = {}
        self._mark = f"rb{secrets.token_hex(8)}"
        #: Number of connections made so far.
        self.made = 0
        #: Whether the last attempt to connect failed.
        self.out_of_reach = False

    # -- used by the host ----------------------------------------------------------------------------------------

    def argv(self, remote: str) -> tuple[str, ...]:
        """Connect, and return the command that runs `remote` in the login shell over the shared connection."""
        self.connect()
        return (*self._ssh("LogLevel=ERROR", "ControlMaster=no"), *self.address.words, remote)

    @property
    def environment(self) -> Mapping[str, str]:
        """The login shell's variables that are passed on to commands. Raises NoConnection."""
        self.connect()
        return self._variables

    def now(self) -> float:
        """Return the time of the host's clock, in seconds since 1970, accurate to about one round trip."""
        self.connect()
        return time.time() + self._ahead

    def ask(self, script: str, deadline: float = _ASKED) -> bytes:
        """Run a short script that is safe to run twice, and return its output. Raises NoConnection."""
        with ManagedProcess(self.argv(self._marked(script)), environment(), None, None) as asking:
            try:
                asking.begin()
            except OSError as error:
                raise refusal(self.address, self._config, str(error)) from None
            in_time = asking.wait(deadline)
            if not in_time:
                asking.stop()
            elif (answer := self._answer(asking)) is not None and asking.exit_code != _SSH_FAILED:
                return answer
            if in_time:
                raise self._refused(asking)
        self.drop()
        raise refusal(self.address, self._config, f"no answer within {deadline:g} s")

    def forward(self, target: str) -> Path:
        """Return a Unix socket on this machine, accessible only to this user, that leads to `target` from the host.

        `target` is HOST:PORT, or the path of a Unix socket on the host. Raises NoConnection.
        """
        with self._lock:
            self.connect()
            if target not in self._forwards:
                path = self._private_folder() / f"f{secrets.token_hex(4)}"
                # Not `_ssh`: ClearAllForwardings would clear this forward, and configured forwards would be added.
                options = ("-o", "LogLevel=ERROR", "-o", f"ControlPath={self._socket()}", "-O", "forward")
                argv = ("ssh", "-F", "none", *options, "-L", f"{path}:{target}", *self.address.words)
                with ManagedProcess(argv, environment(), None, None) as asking:
                    asking.begin()
                    in_time = asking.wait(_ASKED)
                    if not in_time:
                        asking.stop()
                    if not in_time or asking.exit_code:
                        said = _text(asking)
                        raise NoConnection(
                            f"{self.address} does not forward connections to {target}:"
                            f" {error_line(said) or 'no answer'}",
                            "allow AllowTcpForwarding and AllowStreamLocalForwarding in its sshd_config; to see the"
                            " current values, type there: sudo sshd -T",
                        )
                self._forwards[target] = path
            return self._forwards[target]

    def path_to(self, host: str, port: int) -> Path:
        """Return a Unix socket on this machine that leads to the address from the host. Raises NoConnection."""
        return self.forward(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    def refusals(self) -> list[str]:
        """Return why the host could not connect to forwarded addresses, newest last, since this connection was made."""
        with self._lock:
            said = _text(self._master) if self._master else ""
        return [line.partition("open failed: ")[2] for line in said.splitlines() if "open failed: " in line]

    @property
    def typed(self) -> str:
        """The command to type to see whether the host answers."""
        return typed(self.address, self._config)

    # -- the connection itself -----------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect, unless already connected. Raises NoConnection."""
        with self._lock:
            if self._master is not None and not self._master.wait(0):
                return
            for left in reversed(range(_TURNED_AWAY)):
                self._let_go()
                if self._made(last=not left):
                    self.made += 1
                    return
                time.sleep(_AFTER)

    def _made(self, *, last: bool) -> bool:
        # False if the server turned the connection away. On the last attempt that raises.
        self.out_of_reach = True
        read_end, self._lifeline = os.pipe()
        argv = (*self._ssh("LogLevel=INFO", "ControlMaster=yes"), *self.address.words, self._marked(_HOLDER))
        self._master = master = ManagedProcess(argv, environment(), None, read_end)
        try:
            master.begin()
            self._read(master)
        except OSError as error:
            self._let_go()
            raise NoConnection(
                f"ssh cannot be started: {error.strerror or error}",
                "install the OpenSSH client on this machine; to check: ssh -V",
            ) from None
        except NoConnection:
            again = not last and turned_away(_text(master))
            self._let_go()
            if not again:
                raise
            return False
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(read_end)
        self.out_of_reach = False
        return True

    def drop(self) -> None:
        """Drop the connection, because it does not answer. The next use makes a new one."""
        with self._lock:
            self._let_go()

    def close(self) -> None:
        """Close the connection and remove its sockets."""
        with self._lock:
            self._let_go()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _let_go(self) -> None:
        master, self._master = self._master, None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if master is not None:
            master.stop()
            master.__exit__(None, None, None)
        for path in (*self._forwards.values(), *([self._socket()] if self._folder else [])):
            path.unlink(missing_ok=True)
        self._forwards.clear()

    def _read(self, master: ManagedProcess) -> None:
        began = time.monotonic()
        pause = _FIRST_LOOK
        while not (said := self._answer(master) or b"").endswith(b"\n.\n"):
            if master.wait(pause):
                raise self._refused(master)
            if time.monotonic() - began > _READY:
                raise refusal(self.address, self._config, f"no answer within {_READY:g} s")
            pause = _PAUSE
        clock, *lines = said.decode("utf-8", errors="replace").splitlines()
        with contextlib.suppress(ValueError):
            # Not every date(1) supports fractions of a second.
            self._ahead = float(clock.removesuffix(".%N")) - time.time()
        pairs = (line.partition("=") for line in lines)
        self._variables = {name: value for name, _, value in pairs if value and name in PASSED_ON}

    def _marked(self, script: str) -> str:
        # A login shell may print a greeting before the script runs.
        return f"exec sh -c 'printf \"\\n%s\\n\" {self._mark}; {script}'"

    def _answer(self, asked: ManagedProcess) -> bytes | None:
        """Return the output of our script; None if it did not run."""
        _, mark, answer = asked.output()[0].partition(b"\n%s\n" % self._mark.encode())
        return answer if mark else None

    def _refused(self, asked: ManagedProcess) -> NoConnection:
        """Return the error for an ssh that ended before our script answered."""
        if 0 <= asked.exit_code != _SSH_FAILED and self._answer(asked) is None:
            printed = error_line(_text(asked)) or error_line(asked.output()[0].decode("utf-8", errors="replace"))
            return runs_nothing(self.address, self._config, printed)
        return refusal(self.address, self._config, _text(asked))

    def _ssh(self, *more: str) -> tuple[str, ...]:
        options = (*_OPTIONS, f"ControlPath={self._socket()}", *more)
        return ("ssh", *self._configured(), *(word for each in options for word in ("-o", each)))

    def _configured(self) -> tuple[str, ...]:
        # For a jump host ssh starts itself again through a shell, and does not quote the path.
        if not self._config or _PLAIN_PATH.fullmatch(self._config[1]):
            return self._config
        link = self._private_folder() / "config"
        with contextlib.suppress(FileExistsError):
            link.symlink_to(self._config[1])
        return "-F", str(link)

    def _socket(self) -> Path:
        return self._private_folder() / "c"

    def _private_folder(self) -> Path:
        if self._folder is None:
            places = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")  # noqa: S108 - mkdtemp makes it private
            place = next(filter(_usable, places), None)
            self._folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=place))
            _sweep(self._folder.parent)
        return self._folder


def _usable(place: str) -> bool:
    return len(place) < _LONGEST_FOLDER and bool(_PLAIN_PATH.fullmatch(place)) and os.access(place, os.W_OK)


def _sweep(place: Path) -> None:
    """Remove the folders that killed runs left behind: old ones without a connection's socket."""
    for folder in place.glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):
            about = folder.lstat()
            old = time.time() - about.st_mtime > _ABANDONED
            if old and about.st_uid == os.getuid() and folder.is_dir() and not (folder / "c").exists():
                shutil.rmtree(folder)


def _text(process: ManagedProcess) -> str:
    return process.output()[1].decode("utf-8", errors="replace")


@cache
def connection_to(address: SshAddress, config: Path | None) -> Connection:
    """Return this process's only connection to the address. `close_connections` closes it."""
    connection = Connection(address, config)
    _KEPT.append(connection)
    return connection


@atexit.register
def close_connections() -> None:
    """Close all connections of `connection_to`. The next use of one connects again."""
    for connection in _KEPT:
        connection.close()


def environment() -> dict[str, str]:
    """Return the environment in which ssh runs on this machine."""
    # The full environment, so that ssh finds its agent, proxies and their logins as it does by hand. English, because
    # its errors are parsed. The ssh of a jump host does not get `_OPTIONS`; SSH_ASKPASS_REQUIRE keeps it from asking.
    return {**os.environ, "LC_ALL": "C.UTF-8", "SSH_ASKPASS_REQUIRE": "never"}
