"""A command as a process that is always tracked, and that survives when the run is killed."""

import contextlib
import errno
import os
import resource
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from runbook.hosts.signals import signals_blocked, signals_unblocked

_GRACE = 5.0  # seconds to end after SIGTERM


class ManagedProcess:
    """A process that is started in a thread, because signals raise only in the main thread.

    An interruption therefore cannot leave a started process untracked. Output goes to memory files, not to pipes: when
    the run is killed, a pipe would stop the command halfway with SIGPIPE.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        directory: str | None,
        stdin: bytes | int | None,
        most_output: int | None = None,
    ) -> None:
        """Prepare the process. `most_output` is in bytes, per output. `stdin` may be a file descriptor."""
        self._argv = argv
        self._environment = environment
        self._directory = directory
        self._stdin = stdin
        self._most_output = most_output
        self._files: list[BinaryIO] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._starting = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._start)

    def __enter__(self) -> Self:
        """Return the process, not yet started."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the output. The process is not stopped."""
        for file in self._files:
            file.close()

    def begin(self) -> int:
        """Start the process and return its PID. Raises OSError when it cannot be started."""
        try:
            with signals_blocked():
                self._thread.start()
        except RuntimeError as error:  # the machine has no thread left
            raise OSError(errno.EAGAIN, str(error)) from None
        self._thread.join()
        if self._error is not None or self._process is None:
            raise self._error or OSError("it did not start")
        return self._process.pid

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` for the process to end. Return whether it ended."""
        process = self._known
        with contextlib.suppress(subprocess.TimeoutExpired):
            try:
                handle = os.pidfd_open(process.pid)
            except (AttributeError, OSError):  # not supported by this kernel, or the process was already waited for
                process.wait(seconds)
                return True
            try:
                looking = select.poll()
                looking.register(handle, select.POLLIN)
                looking.poll(max(0.0, seconds) * 1000)
            finally:
                os.close(handle)
            process.wait(0)
        return process.returncode is not None

    @property
    def exit_code(self) -> int:
        """The exit code; negative when a signal ended the process."""
        return int(self._known.returncode)

    def output(self) -> tuple[bytes, bytes]:
        """Return standard output and standard error so far."""
        stdout, stderr = self._files
        return _all_of(stdout), _all_of(stderr)

    def exceeded_output(self) -> bool:
        """Return whether either output is above `most_output`."""
        most = self._most_output
        return most is not None and any(os.fstat(file.fileno()).st_size > most for file in self._files)

    def stop(self) -> bool:
        """Stop the process group with SIGTERM, then SIGKILL. False if it was not started; then it never will be."""
        with self._starting:
            self._stopped = True
            process = self._process
        if process is None:
            return False
        for number, seconds in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, 1.0)):
            # No group means that the process has ended: Ctrl-C at the terminal may kill it before it has its own group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            self.wait(seconds)
        return True

    @property
    def _known(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise OSError("it did not start")
        return self._process

    def _start(self) -> None:
        # The lock serializes this with `stop`. If `stop` is first, nothing is started.
        with self._starting:
            if self._stopped:
                return
            try:
                for _ in ("standard output", "standard error"):
                    self._files.append(_memory())
                given = self._stdin if isinstance(self._stdin, bytes) else b""
                with _memory(given) as stdin, signals_unblocked():
                    self._process = subprocess.Popen(  # noqa: S603 - a list built by our code, no shell
                        self._argv,
                        cwd=self._directory,
                        env=self._environment,
                        stdin=self._stdin_file(stdin),
                        stdout=self._files[0],
                        stderr=self._files[1],
                        start_new_session=True,
                    )
                self._bound(self._process.pid)
            except OSError as error:
                self._error = error

    def _stdin_file(self, memory: BinaryIO) -> BinaryIO | int:
        if self._stdin is None:
            return subprocess.DEVNULL
        return self._stdin if isinstance(self._stdin, int) else memory

    def _bound(self, pid: int) -> None:
        # The kernel enforces the limit too, because the output could fill the memory between two checks.
        if self._most_output is not None and hasattr(resource, "prlimit"):
            above = self._most_output + 1
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (above, above))


def _memory(content: bytes = b"") -> BinaryIO:
    if hasattr(os, "memfd_create"):
        file: BinaryIO = os.fdopen(os.memfd_create("command"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the owner closes it
    file.write(content)
    file.seek(0)
    return file


def _all_of(file: BinaryIO) -> bytes:
    # pread does not move the position at which the command writes.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def process_start(process: int) -> str | None:
    """Return a process's start time in clock ticks since boot (proc(5), stat field 22); None when it does not run."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the command's name in parentheses, and may contain any character.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def boot_id() -> str:
    """Return the ids of this machine's boot and PID namespace, because PIDs are reused; empty when unknown."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot_id} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
