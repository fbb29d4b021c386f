"""The Python packages of the practice production, fetched on this host."""

import os
import shutil
import sys
from pathlib import Path

from rehearsal.docker_host.engine import run
from rehearsal.errors import RehearsalError

FETCH_TIMEOUT = 300.0  # seconds
GLIBC_MINORS = range(36, 16, -1)  # wheels that Debian bookworm's glibc 2.36 can run


def fetch_packages(lock_file: Path, into: Path, machine: str) -> None:
    """Install the wheels of a hashed lock file into a folder, for Python 3.11 on Debian bookworm.

    This host's pip fetches them, with this host's configuration, because a container may not reach a package index.
    `machine` is x86_64 or aarch64. Raises RehearsalError.
    """
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC_MINORS] + [f"manylinux2014_{machine}"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--target", str(into)]
    command += ["--require-hashes", "--no-deps", "--no-compile", "--only-binary", ":all:"]
    command += ["--python-version", "3.11", "--implementation", "cp"]
    command += [word for abi in ("cp311", "abi3", "none") for word in ("--abi", abi)]
    command += [word for platform in platforms for word in ("--platform", platform)]
    command += ["--requirement", str(lock_file)]
    try:
        run(command, timeout=FETCH_TIMEOUT, environment=os.environ)
    except RehearsalError as error:
        line = "pip could not fetch the application's packages from PyPI; fix the cause below, and try again"
        raise RehearsalError(line, error.tail or error.line) from error
    # Scripts for this host's Python. The image has its own.
    shutil.rmtree(into / "bin", ignore_errors=True)
