"""A second host on this machine: a Docker Engine and an SSH server in separate namespaces, ended by process ID.

It needs root, as its namespaces do. Its addresses belong to a private network that exists only on this machine.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rehearsal.docker_host.engine import Engine, run
from rehearsal.errors import RehearsalError

_SCRIPT = Path(__file__).with_name("second_host.sh")
_PROGRAMS = ("ip", "nsenter", "unshare", "dockerd", "sshd", "ssh-keygen")
_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
_NOTE = ".json"  # suffix to the name of its folder
_UP_WITHIN = 60.0  # seconds
_DOWN_WITHIN = 20.0
_COPY_TIMEOUT = 300.0
USER = "deploy"


class SecondHost:
    """The host `name`, in `folder`. This machine and the host's containers reach it at `address`.

    With `first` it is an additional host next to that one, which has the registry.
    """

    def __init__(self, folder: Path, name: str = "shop-1", first: "SecondHost | None" = None) -> None:
        """Reserve a network; nothing runs yet. Raises RehearsalError if this user or machine cannot have one."""
        missing = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
        if os.geteuid() != 0:
            raise RehearsalError("a second host needs namespaces, which require root; type: sudo script/rehearse …")
        if missing:
            packages = "apt-get install openssh-server iproute2 util-linux"
            raise RehearsalError(f"a second host needs {', '.join(missing)}; type: {packages}")
        self.folder, self.name, self._first = folder, name, first
        third, fourth = secrets.randbelow(250) + 1, secrets.randbelow(60) * 4
        #: The name of the network namespace, and the addresses of both ends of its link.
        self.namespace = f"shop-{secrets.token_hex(3)}"
        self.near, self.address = f"10.77.{third}.{fourth + 1}", f"10.77.{third}.{fourth + 2}"
        self.process = 0
        self._script: subprocess.Popen[bytes] | None = None

    @property
    def docker_host(self) -> str:
        """The engine's address for root on this machine, which needs no SSH."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def ssh_config(self) -> Path:
        """The SSH client configuration that knows the host by its name."""
        return self.folder / "ssh_config"

    def raise_up(self) -> None:
        """Start the host, and wait for its engine and SSH server. On failure, remove it and raise RehearsalError."""
        self.folder.mkdir(mode=0o755)
        try:
            self._write_keys()
            self._make_network()
            self._start()
            self._wait()
        except BaseException:
            self.take_down()
            raise

    def _write_keys(self) -> None:
        for name in ("host_key", "key"):
            self._run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
        kind, key = (self.folder / "host_key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"{self.address} {kind} {key}\n")
        shutil.copy(self.folder / "key.pub", self.folder / "authorized_keys")
        self.ssh_config.write_text(
            f"Host {self.name}\n  HostName {self.address}\n  IdentityFile {self.folder}/key\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.folder}/known_hosts\n  GlobalKnownHostsFile none\n"
        )
        (self.folder / "sshd_config").write_text(
            f"ListenAddress {self.address}\nHostKey {self.folder}/host_key\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nStrictModes no\nPasswordAuthentication no\n"
            f"AllowUsers {USER}\nMaxStartups 100\n"
        )

    def _make_network(self) -> None:
        near, far, inside = f"{self.namespace}a", f"{self.namespace}b", ("ip", "-n", self.namespace)
        self._run("ip", "netns", "add", self.namespace)
        self._run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        self._run("ip", "link", "set", far, "netns", self.namespace)
        self._run("ip", "addr", "add", f"{self.near}/30", "dev", near)
        self._run("ip", "link", "set", near, "up")
        self._run(*inside, "addr", "add", f"{self.address}/30", "dev", far)
        self._run(*inside, "link", "set", far, "up")
        self._run(*inside, "link", "set", "lo", "up")
        if self._first is not None:
            self._join(self._first)

    def _join(self, first: "SecondHost") -> None:
        """Connect both hosts with a direct link, so that this machine forwards nothing."""
        here, there = f"{self.namespace}c", f"{self.namespace}d"
        self._run("ip", "link", "add", here, "type", "veth", "peer", "name", there)
        for end, host, other in ((here, self, first), (there, first, self)):
            inside = ("ip", "-n", host.namespace)
            self._run("ip", "link", "set", end, "netns", host.namespace)
            self._run(*inside, "link", "set", end, "up")
            self._run(*inside, "route", "add", f"{other.address}/32", "dev", end, "src", host.address)

    def _start(self) -> None:
        # Not `ip netns exec`: it mounts a fresh /sys, in which dockerd finds no cgroups.
        command = ("nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "--mount", "--uts", "--pid", "--fork",
                   "--mount-proc", "--kill-child=KILL", "sh", str(_SCRIPT), str(self.folder), self.address,
                   self.name, (self._first or self).address,
                   str(self.folder.parents[2]), str(Path(sys.prefix).resolve()))  # fmt: skip
        with (self.folder / "script.log").open("wb") as log:
            self._script = subprocess.Popen(
                command,
                env={"PATH": _PATH},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.process = self._script.pid
        self._note.write_text(json.dumps({"process": self.process, "namespace": self.namespace}))

    def _wait(self) -> None:
        engine = Engine(self.folder, host=self.docker_host)
        until = time.monotonic() + _UP_WITHIN
        while True:
            try:
                engine.docker("version", timeout=10)
                self._run(
                    "ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", f"{USER}@{self.name}", "docker", "version"
                )
            except RehearsalError as error:
                if time.monotonic() > until:
                    logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
                    raise RehearsalError(
                        f"the second host is not up after {_UP_WITHIN:.0f} s", f"{error}\n{logs}"
                    ) from None
                time.sleep(0.3)
            else:
                return

    def load(self, from_engine: Engine, images: Sequence[str]) -> None:
        """Copy images from this machine's engine to the host's engine. Raises RehearsalError."""
        archive = self.folder / "images.tar"
        try:
            from_engine.docker("save", "--output", str(archive), *images, timeout=_COPY_TIMEOUT)
            Engine(self.folder, host=self.docker_host).docker("load", "--input", str(archive), timeout=_COPY_TIMEOUT)
        finally:
            archive.unlink(missing_ok=True)

    def hand_over(self, *paths: Path) -> None:
        """Give files and folders to the host's user, as they would be on a real host."""
        for path in paths:
            for each in (path, *path.rglob("*")):
                os.chown(each, 4711, 4711)

    @property
    def _note(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}{_NOTE}")

    def take_down(self) -> None:
        """End everything that runs on the host, and remove its network and its folder."""
        _end(self._note, self.process, self.namespace, ended=self._script and self._script.poll)
        if self._script is not None:
            self._script.wait(_DOWN_WITHIN)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, *command: str) -> None:
        run(list(command), timeout=20, environment={"PATH": _PATH, "HOME": str(self.folder)})


def end_second_hosts(rehearsal: Path) -> None:
    """End the second hosts of a rehearsal's folder: their processes, by process ID, and their networks."""
    for note in rehearsal.glob(f"*{_NOTE}"):
        with suppress(OSError, ValueError):
            noted = json.loads(note.read_text())
            _end(note, int(noted["process"]), str(noted["namespace"]))


def _end(note: Path, process: int, namespace: str, ended: Callable[[], object] | None = None) -> None:
    """End one host. `ended` reaps its process if that is a child of this one."""
    # Only if the process is still that script, because PIDs are reused.
    if process and str(_SCRIPT).encode() in _cmdline(process):
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        until = time.monotonic() + _DOWN_WITHIN
        while _cmdline(process) and time.monotonic() < until:
            if ended is not None:  # a child stays visible until it is reaped
                ended()
            time.sleep(0.05)
    with suppress(RehearsalError):
        run(["ip", "netns", "delete", namespace], timeout=20, environment={"PATH": _PATH})
    with suppress(RehearsalError):
        run(["ip", "link", "delete", f"{namespace}a"], timeout=20, environment={"PATH": _PATH})
    note.unlink(missing_ok=True)


def _cmdline(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""
