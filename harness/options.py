"""What a run of the runbook is asked to do: its command-line options, and what follows from them."""

import re
import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.resume import PreviousRuns, read_earlier
from harness.session.retyped import Typed, program
from runbook.chapters.strategy import checked_verdict
from runbook.command_hints import resume_command
from runbook.errors import RunbookError, SettingsError
from runbook.incident.executor import Mode
from runbook.incident.options import Options
from runbook.journal.private_files import FOLDER_MODE, check_record, make_reports
from runbook.release import checked_tag
from runbook.settings.loader import load
from runbook.settings.schema import Settings

_REPORTS = "reports"
#: The marks of what only validates.
_VALIDATIONS = ("post_deploy", "pre_deploy")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the runbook's options to pytest's."""
    group = parser.getgroup("runbook", "rollback runbook (pytest features)")
    group.addoption(
        "--execute",
        metavar="PROJECT",
        help="change production; PROJECT is the name of its Compose project, typed as the confirmation",
    )
    group.addoption("--resume", metavar="INCIDENT", help="go on with an incident that broke off; with --execute")
    group.addoption(
        "--override",
        metavar="STEP-ID",
        action="append",
        default=[],
        help="go on although this step could not be checked, or is not so; with --because",
    )
    group.addoption("--to", metavar="TAG", help="return to this release, whatever the ledger says")
    group.addoption("--forward-fix", metavar="TAG", help="go on with this release, whose migrations mend the schema")
    group.addoption("--accept-loss", metavar="REVISION", help="the lowest revision that a downgrade may undo")
    group.addoption(
        "--verdict", metavar="VERDICT", help="a human's verdict where the runbook's is review: additive, breaking"
    )
    group.addoption("--because", metavar="REASON", help="why; goes into the record")
    group.addoption("--disable", metavar="SWITCH", help="with -m emergency: the switch to turn off")
    group.addoption("--enable", metavar="SWITCH", help="with -m emergency: the switch to turn on again")
    group.addoption("--no-color", action="store_true", help="no colours on the terminal; the same as --color=no")
    group.addoption("--settings", metavar="PATH", help="the settings file (default: runbook.toml)")
    group.addoption(
        "--reports", metavar="DIR", default=_REPORTS, help="where records land (default: reports, beside the features)"
    )


@dataclass(frozen=True)
class Run:
    """What this run of pytest does to which production, and where its record lands."""

    settings: Settings
    mode: Mode
    kind: str
    options: Options
    incident: str
    folder: Path
    settings_given: str | None
    reports_given: str | None
    started_in: Path
    #: The paths that were typed, and the mark that was chosen by -m; empty for a rollback.
    features: tuple[str, ...]
    mark: str
    earlier: PreviousRuns | None

    @property
    def typed(self) -> list[str]:
        """How this run was begun, in words that can be typed again where it was: program, folders, settings, reports.

        A run is of whole folders: a file, or one scenario of it, is no runbook.
        """
        paths = [path.partition("::")[0] for path in self.features]
        folders = dict.fromkeys(str(Path(path).parent) if path.endswith(".feature") else path for path in paths)
        return [program(self.started_in), *folders, *self._places]

    @property
    def _places(self) -> list[str]:
        settings = ["--settings", self.settings_given] if self.settings_given else []
        reports = ["--reports", self.reports_given] if self.reports_given else []
        return [*settings, *reports]

    def command(self, *options: str) -> str:
        """What to type for a run like this one with these options."""
        return shlex.join([*self.typed, *options])

    @property
    def again(self) -> str:
        """What to type for all of what was asked for."""
        marks = ["-m", self.mark] if self.mark else []
        resume = ["--resume", self.incident] if self.earlier else []
        execute = ["--execute", self.settings.project.name] if self.mode is Mode.EXECUTE else []
        return self.command(*marks, *resume, *self.options.typed, *execute)

    def overriding(self, step_id: str) -> str:
        """What to type to go on over the step of that id, which stopped this run."""
        if self.mode is Mode.EXECUTE:
            marks = ["-m", self.mark] if self.mark else []
            resume, execute = ["--resume", self.incident], ["--execute", self.settings.project.name]
            return self.command(*marks, *resume, "--override", step_id, "--because", "how you know", *execute)
        options = self.options
        override, because = (*options.override, step_id), options.because or "how you know"
        return replace(self, options=replace(options, override=override, because=because)).again

    def resume_command(self, incident: str) -> str:
        """What to do about another incident that broke off, with what to type for it."""
        name = self.settings.project.name
        if (self.folder.parent / incident / "journal.jsonl").is_file():
            return f"go on with that incident: type {resume_command(incident, name, self.typed)}"
        python = str(Path(program(self.started_in)).with_name("python"))
        unlock = shlex.join([python, "-m", "runbook", "unlock", *self._places, "--force", "--why", "why that is safe"])
        return (
            f"its journal is not in {self.folder.parent}: go on where it lies; if it is lost, take the lock away"
            f" before you type the same again: type {unlock}"
        )

    @property
    def journal(self) -> Path:
        """The journal of this run."""
        return self.folder / "journal.jsonl"

    @property
    def page(self) -> Path:
        """The page that is made from it."""
        return self.folder / "record.html"


#: The run, when this pytest runs the runbook; missing when it runs the project's own tests.
RUN = pytest.StashKey[Run]()
#: The rehearsal that this run is of; set before the run is read.
REHEARSED = pytest.StashKey["Rehearsed"]()


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal: the settings file of its practice production, and whether this run is the plan that comes first."""

    settings: Path
    plan: bool = False


def runs_features(config: pytest.Config) -> bool:
    """Tell whether this pytest was started on feature files."""
    paths = [config.invocation_params.dir / re.split(r"::", argument)[0] for argument in config.args]
    return any(path.suffix == ".feature" or (path.is_dir() and any(path.glob("*.feature"))) for path in paths)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings and the options, before any other plugin opens a file. Refuses with exit code 4."""
    only_asks = config.option.collectonly or config.option.help or config.option.markers
    if only_asks or not runs_features(config):
        _refuse_execute_elsewhere(config)
        return
    # In our own tests a warning is an error. At 3 a.m. a library's deprecation must not stop a rollback half way.
    config.addinivalue_line("filterwarnings", "ignore")
    config.option.disable_warnings = True
    try:
        config.stash[RUN] = read_run(config)
    except RunbookError as error:
        raise pytest.UsageError(str(error)) from None


def _refuse_execute_elsewhere(config: pytest.Config) -> None:
    if config.option.execute:
        typed = Typed((program(config.invocation_params.dir), "features", "--execute", config.option.execute))
        raise pytest.UsageError(f"--execute without feature files → type {typed}")


def read_run(config: pytest.Config) -> Run:
    """Make out what the command line and the settings ask for.

    Raises SettingsError for settings that cannot be read or a project name that is not theirs, and TargetError
    for a tag that cannot be one.
    """
    rehearsed = config.stash.get(REHEARSED, None)
    given = config.option.settings
    path = rehearsed.settings if rehearsed else Path(given) if given else config.rootpath / "runbook.toml"
    settings, typed = load(path), Typed.by(config)
    execute = config.option.execute
    if rehearsed:
        execute = None if rehearsed.plan else settings.project.name
    if execute is not None and execute != settings.project.name:
        raise SettingsError(
            f"--execute {execute}, but the settings are for the project {settings.project.name}",
            f"if that is the one, type {typed.without('--execute').plus('--execute', settings.project.name)}",
        )
    options = _options(config)
    mark = config.option.markexpr.strip()
    if execute is not None and mark not in ("", "emergency"):
        raise SettingsError(
            f"--execute with -m {mark!r}: a validation changes nothing, and a rollback is one whole;"
            " only -m emergency goes with it",
            f"type {typed.without('--execute' if mark in _VALIDATIONS else '-m')}",
        )
    if mark not in _VALIDATIONS and set(_VALIDATIONS) & set(re.findall(r"\w+", mark)):
        again = typed.without("-m").plus("-m", "post_deploy")
        raise SettingsError(f"-m {mark!r}: a validation is one whole", f"type {again}")
    kind = _kind(mark, execute)
    if rehearsed:
        kind = f"{'emergency-' if kind == 'emergency' else ''}rehearsal{'-plan' if rehearsed.plan else ''}"
    reports, resumed = config.rootpath / config.option.reports, config.option.resume
    earlier = None
    if resumed is not None:
        folder, incident = _folder_of(reports, resumed, settings.project.name, execute, typed), resumed
        earlier = read_earlier(folder, settings, options, typed, emergency=kind == "emergency")
        kind, options = earlier.kind, earlier.options
    else:
        folder, incident = _fresh_folder(reports, settings.project.name, kind)
    return Run(
        settings=settings,
        mode=_mode(kind, execute),
        kind=kind,
        options=options,
        incident=incident,
        folder=folder,
        settings_given=str(path) if rehearsed or given else None,
        reports_given=config.option.reports if config.option.reports != _REPORTS else None,
        started_in=config.invocation_params.dir,
        features=tuple(config.args),
        mark=mark,
        earlier=earlier,
    )


def _folder_of(reports: Path, incident: str, project: str, execute: str | None, typed: Typed) -> Path:
    if execute is None:
        again = typed.plus("--execute", project)
        raise SettingsError("--resume without --execute: going on changes production", f"type {again}")
    if (name := Path(incident).name) != incident:
        again = typed.without("--resume").plus("--resume", name)
        raise SettingsError(f"--resume {incident} is no incident's name", f"type {again}")
    if reports.exists():
        make_reports(reports)
    check_record(reports / incident)
    return reports / incident


def _options(config: pytest.Config) -> Options:
    option, typed = config.option, Typed.by(config)
    if option.enable and option.disable:
        again = typed.without("--enable")
        raise SettingsError("--enable and --disable at once: one switch, one way, at a time", f"type {again}")
    if (option.enable or option.disable) and "emergency" not in option.markexpr:
        again = typed.without("-m").plus("-m", "emergency")
        raise SettingsError("--enable and --disable turn a switch, and no emergency is selected", f"type {again}")
    if option.override and not (option.because or "").strip():
        again = typed.without("--because").plus("--because", "how you know")
        raise SettingsError("--override without --because, which goes into the record", f"type {again}")
    if option.to and option.forward_fix:
        again = typed.without("--forward-fix")
        raise SettingsError("--to and --forward-fix at once: back, or forward", f"to go back, type {again}")
    return Options(
        target=checked_tag(option.to) if option.to else None,
        forward_fix=checked_tag(option.forward_fix) if option.forward_fix else None,
        accept_loss=option.accept_loss,
        verdict=checked_verdict(option.verdict, option.because),
        because=option.because,
        enable=option.enable,
        disable=option.disable,
        override=tuple(option.override),
    )


def _mode(kind: str, execute: str | None) -> Mode:
    if execute is not None:
        return Mode.EXECUTE
    return Mode.VALIDATE if kind == "validation" else Mode.PLAN


def _kind(selected: str, execute: str | None) -> str:
    kinds = {"emergency": "emergency", **dict.fromkeys(_VALIDATIONS, "validation")}
    return kinds.get(selected, "rollback" if execute else "plan")


def _fresh_folder(reports: Path, project: str, kind: str) -> tuple[Path, str]:
    make_reports(reports)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for again in range(100):
        incident = f"{stamp}-{project}-{kind}{f'-{again + 1}' if again else ''}"
        folder = reports / incident
        try:
            folder.mkdir(mode=FOLDER_MODE)
        except FileExistsError:
            continue
        except OSError as error:
            raise SettingsError(
                f"the record's folder {folder} cannot be made ({error.strerror})",
                "name another one with --reports DIR",
            ) from None
        return folder, incident
    raise SettingsError(f"too many records of {stamp} in {reports}", "wait a second and try again")
