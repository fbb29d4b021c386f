"""script/bootstrap on machines without Debian: what works there, and one line for what is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Programs of every POSIX system, and bash.
EVERYWHERE = ("bash", "env", "dirname", "mkdir", "cat", "rm", "awk", "cksum", "id", "uname", "cp", "chmod")
PYTHON = """#!/bin/sh
case "$*" in
*"-m venv"*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*purelib*) echo "${0%/bin/python}" ;;
--version) echo Python 3.12.1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout on a machine with only the programs that every Unix has."""
    shutil.copytree(ROOT / "script", tmp_path / "script", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "requirements.lock").write_text("")
    (tmp_path / "bin").mkdir()
    for name in EVERYWHERE:
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    return tmp_path


def program(checkout: Path, name: str, text: str) -> None:
    path = checkout / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def bootstrap(checkout: Path, *options: str) -> tuple[int, str]:
    """Return the exit code and the last line of output."""
    # script/env adds the system's folders to PATH; the test machine has none.
    environment = checkout / "script" / "env"
    environment.write_text(environment.read_text().replace(":/usr/local/sbin:/usr/sbin:/sbin", ""))
    argv = ["bash", str(checkout / "script" / "bootstrap"), *options]
    done = subprocess.run(
        argv, env={"PATH": str(checkout / "bin"), "HOME": "/"}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


def test_python_environment_is_made_anywhere(checkout: Path) -> None:
    """No root, flock, GNU tools or Debian packages are needed; a second run has nothing to do."""
    program(checkout, "python3", PYTHON)
    program(checkout, "uname", "#!/bin/sh\necho Darwin\n")
    code, said = bootstrap(checkout, "--fast")
    assert (code, said.partition(" (")[0]) == (0, "Python: .venv is ready")
    assert bootstrap(checkout, "--fast") == (0, "Python: .venv is up to date")


def test_practice_production_needs_linux(checkout: Path) -> None:
    """On another system the error names the option that works."""
    program(checkout, "uname", "#!/bin/sh\necho Darwin\n")
    told = "bootstrap: the practice production needs Linux, and this is Darwin; type: script/bootstrap --fast"
    assert bootstrap(checkout) == (1, told)


def test_missing_python_is_named(checkout: Path) -> None:
    """Without apt-get, a missing Python is left to the person to install."""
    code, said = bootstrap(checkout, "--fast")
    assert code == 1
    assert said.startswith("bootstrap: python3 python3-venv missing, and there is no apt-get; install it with")
