"""The console script, installed from a copy of the checkout, works in any folder without the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("runbook", "harness", "steps")
NEEDED = (*PACKAGES, "features", "pyproject.toml", "setup.py", "MANIFEST.in", "conftest.py", "README.md", "LICENSE")


@dataclass(frozen=True)
class Installed:
    """A wheel, and an environment where it is installed."""

    wheel: Path
    programs: Path
    folder: Path

    def run(self, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder outside the checkout."""
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        variables |= {"COLUMNS": "80", "PATH": f"{self.programs}:{os.environ['PATH']}"}
        return subprocess.run(
            [self.programs / program, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120,
            check=False, env=variables | environment,
        )  # fmt: skip


def pip(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The checkout as pip installs it. Its dependencies are those of the project's own environment."""
    copy, made, folder = (tmp_path_factory.mktemp(name) for name in ("copy", "made", "anywhere"))
    for name in NEEDED:
        leave = shutil.ignore_patterns("__pycache__")
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name, **(
            {"ignore": leave} if (ROOT / name).is_dir() else {}
        ))  # fmt: skip
    built = pip("wheel", "--no-deps", "--wheel-dir", made, copy)
    if built.returncode and "setuptools" in built.stderr and "find a version" in built.stderr:
        pytest.skip(f"PyPI cannot be reached: {built.stderr.splitlines()[-1]}")
    assert built.returncode == 0, built.stderr
    (wheel,) = made.glob("*.whl")
    venv.create(made / "venv", with_pip=False)
    python = made / "venv" / "bin" / "python"
    assert pip("--python", python, "install", "--no-deps", "--no-index", wheel).returncode == 0
    (site,) = (made / "venv" / "lib").glob("python*/site-packages")
    # .pth files in a folder that a .pth file adds are not read, so the checkout stays out.
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    shutil.copy(Path(sys.executable).with_name("pytest"), python.parent)
    pytest_itself = (python.parent / "pytest").read_text().splitlines(keepends=True)
    (python.parent / "pytest").write_text("".join([f"#!{python}\n", *pytest_itself[1:]]))
    return Installed(wheel, python.parent, folder)


def test_wheel_holds_all_that_runs(installed: Installed) -> None:
    """The wheel has every module, template and feature, and no rehearsals, tests or documents."""
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    ours = {path.relative_to(ROOT).as_posix() for name in PACKAGES for path in (ROOT / name).rglob("*.*")}
    expected = {name for name in ours if "__pycache__" not in name and not name.endswith(".pyc")}
    expected |= {f"runbook/features/{path.name}" for path in (ROOT / "features").glob("*.feature")}
    expected |= {"runbook/features/conftest.py", "runbook/features/pyproject.toml"}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert "rehearsal" not in zipfile.ZipFile(installed.wheel).read("runbook/features/conftest.py").decode()


def test_runs_the_scenarios_of_the_checkout(installed: Installed) -> None:
    """`runbook run` finds the same scenarios in the same order."""
    there = installed.run("runbook", "run", "--collect-only", "-q")
    argv = [sys.executable, "-m", "pytest", "features", "--collect-only", "-q"]
    here = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    assert there.returncode == 0, there.stdout + there.stderr

    def scenarios(text: str) -> list[str]:
        return [line.rpartition(".feature::")[2] for line in text.splitlines() if ".feature::" in line]

    assert len(scenarios(here)) > 20
    assert scenarios(there.stdout) == scenarios(here)


def test_without_settings_it_says_how_to_begin(installed: Installed) -> None:
    """Settings are expected in the current folder, and the error names `runbook init`."""
    said = installed.run("runbook", "plan")
    assert said.returncode == 4, said.stdout
    assert f"no settings file at {installed.folder}/runbook.toml" in said.stderr
    assert "runbook init" in said.stderr


def test_refusal_is_typed_as_the_short_form(installed: Installed) -> None:
    """The next command to type is in the short form, without the environment and the features' path."""
    settings = installed.folder / "runbook.toml"
    settings.write_text('[project]\nname = "shop"\ndirectory = "/srv/shop"\n')
    said = installed.run("runbook", "rollback", "--execute", "shpo", "--to", "v1")
    settings.unlink()
    assert said.returncode == 4, said.stdout
    assert "type runbook rollback --to v1 --execute shop\n" in said.stderr


def test_looks_at_no_other_checkout(installed: Installed) -> None:
    """The imported modules are the installed ones."""
    said = installed.run("python", "-c", "import runbook, harness, steps; print(runbook.__file__, steps.__file__)")
    assert str(ROOT) not in said.stdout, said.stderr
    assert said.stdout.count("site-packages") == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_is_told_how_to_complete(installed: Installed, shell: str) -> None:
    """The completion script is for the shell, which accepts it if it is installed here."""
    said = installed.run("runbook", "completion", shell)
    assert said.returncode == 0, said.stderr
    assert {"bash": "complete -o", "zsh": "#compdef runbook", "fish": "complete --command runbook"}[
        shell
    ] in said.stdout
    if program := shutil.which(shell):
        taken = subprocess.run(
            [program, "-n"], input=said.stdout, capture_output=True, text=True, timeout=20, check=False
        )
        assert taken.returncode == 0, taken.stderr


def test_bash_completes_commands(installed: Installed) -> None:
    """The printed function completes a command in bash."""
    script = (
        'eval "$(runbook completion bash)"; COMP_LINE="runbook va"; COMP_POINT=10; COMP_WORDS=(runbook va);'
        " COMP_CWORD=1; COMP_TYPE=9; _python_argcomplete runbook; echo ${COMPREPLY[@]}"
    )
    variables = os.environ | {"PATH": f"{installed.programs}:{os.environ['PATH']}"}
    said = subprocess.run(
        ["bash", "-c", script],
        cwd=installed.folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.stdout.split() == ["validate"], said.stderr


def test_help_shows_our_options_first(installed: Installed) -> None:
    """The runbook's own options come before pytest's."""
    said = installed.run("runbook", "run", "--help").stdout
    assert said.index("--execute") < said.index("--resume") < said.index("general:")
