"""One command as a process: begun so that nobody loses sight of it, and so that it outlives a run that dies."""

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
    """A command that is begun in a thread of its own: what a signal raises is raised in the main thread only.

    So there is no moment at which a process was begun and nobody knows of it. It reads from and writes to memory that
    it holds itself: with a pipe, a command whose run was killed would die of its next word (SIGPIPE), half way through.
    """

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        directory: str | None,
        stdin: bytes | None,
        most_output: int | None = None,
    ) -> None:
        """Set up what begins with `begin`; `most_output` is in bytes, for each of its two outputs."""
        self._argv = argv
        self._environment = environment
        self._directory = directory
        self._stdin = stdin
        self._most_output = most_output
        self._files: list[BinaryIO] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._beginning = threading.Lock()
        self._called_off = False
        self._thread = threading.Thread(target=self._begin)

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what it said; the command itself is let be."""
        for file in self._files:
            file.close()

    def start(self) -> int:
        """Begin, and return the process id. Raises OSError when it cannot be started."""
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
        """Wait for its end, for so many seconds at most; tell whether it came."""
        process = self._known
        with contextlib.suppress(subprocess.TimeoutExpired):
            try:
                handle = os.pidfd_open(process.pid)
            except (AttributeError, OSError):  # not on this kernel; or it was waited for already
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
        """How it ended; minus the signal's number, if by one."""
        return int(self._known.returncode)

    def output(self) -> tuple[bytes, bytes]:
        """What it has said so far, on standard output and on standard error."""
        stdout, stderr = self._files
        return _all_of(stdout), _all_of(stderr)

    def exceeded_output(self) -> bool:
        """Tell whether one of its outputs is above `most_output`."""
        most = self._most_output
        return most is not None and any(os.fstat(file.fileno()).st_size > most for file in self._files)

    def stop(self) -> bool:
        """End it with all that it began, by force if it does not listen; False if it never began, nor ever will."""
        with self._beginning:
            self._called_off = True
            process = self._process
        if process is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            self.wait(_GRACE)
        # What is left of its group did not listen.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
            self.wait(1)
        return True

    @property
    def _known(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise OSError("it did not start")
        return self._process

    def _begin(self) -> None:
        # Who stops it waits for this, or is first: then nothing begins behind their back.
        with self._beginning:
            if self._called_off:
                return
            try:
                for _ in ("standard output", "standard error"):
                    self._files.append(_memory())
                with _memory(self._stdin or b"") as stdin, signals_unblocked():
                    self._process = subprocess.Popen(  # noqa: S603 - a list, built by our own code, without a shell
                        self._argv,
                        cwd=self._directory,
                        env=self._environment,
                        stdin=stdin if self._stdin is not None else subprocess.DEVNULL,
                        stdout=self._files[0],
                        stderr=self._files[1],
                        start_new_session=True,
                    )
                self._bound(self._process.pid)
            except OSError as error:
                self._error = error

    def _bound(self, pid: int) -> None:
        """Let the kernel end its writing above the limit: between two looks it could fill this machine's memory."""
        if self._most_output is not None and hasattr(resource, "prlimit"):
            above = self._most_output + 1
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (above, above))


def _memory(content: bytes = b"") -> BinaryIO:
    """A file without a name, that is read from its beginning."""
    if hasattr(os, "memfd_create"):
        file: BinaryIO = os.fdopen(os.memfd_create("command"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with its owner
    file.write(content)
    file.seek(0)
    return file


def _all_of(file: BinaryIO) -> bytes:
    # By its place, since the command writes where the file's own position is.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def process_start(process: int) -> str | None:
    """When a process of this machine started, in clock ticks since boot (proc(5), stat field 22); None without one."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the command's name in parentheses, which may hold anything.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def boot_id() -> str:
    """The id of this machine's boot, with that of the PID namespace; empty when it does not tell one.

    Containers have process numbers of their own, whose processes nobody outside can ask about by those numbers.
    """
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot_id} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
