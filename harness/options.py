"""The runbook's command-line options, and the run that they and the settings describe."""

import re
import shlex
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytest

from harness.asked_for import VALIDATIONS, WHOLE_BY_MARK, asked_for
from harness.compat import put_first
from harness.own_chapters import take_own_chapters
from harness.planned import as_planned, plan_named, refuse_json_elsewhere
from harness.resume import PreviousRuns, read_earlier
from harness.session.retyped import Typed, program
from runbook.command_hints import PACKAGED, REPORTS, SETTINGS, resume_command, shown, without_usual
from runbook.errors import RunbookError, SettingsError
from runbook.incident.executor import Mode
from runbook.incident.options import Options
from runbook.journal.private_files import check_record, make_record, make_reports
from runbook.report.plan.model import Plan
from runbook.settings.absent import Absent
from runbook.settings.loading.loader import load
from runbook.settings.schema import Settings
from runbook.text import visible

_GROUP = "rollback runbook (pytest features)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the runbook's options to pytest's."""
    group = parser.getgroup("runbook", _GROUP)
    put_first(parser, _GROUP)
    group.addoption(
        "--execute",
        metavar="PROJECT",
        help="change production; PROJECT is the name of its Compose project, typed as confirmation",
    )
    group.addoption(
        "--plan",
        metavar="FILE",
        help="execute this saved plan (from --json, or a record), or nothing if production has changed; with --execute",
    )
    group.addoption("--resume", metavar="INCIDENT", help="resume an interrupted incident; with --execute")
    group.addoption(
        "--override",
        metavar="STEP-ID",
        action="append",
        default=[],
        help="continue although this step failed or was inconclusive; with --because",
    )
    group.addoption("--to", metavar="TAG", help="return to this release: its tag, or its number in the plan's list")
    group.addoption(
        "--forward-fix", metavar="TAG", help="go forward to this release, whose migrations repair the schema"
    )
    group.addoption(
        "--with-configuration",
        action="store_true",
        help="also restore the Compose files and env values of the target's validation",
    )
    group.addoption(
        "--close-gate-first",
        action="store_true",
        help="pause traffic first, whatever switch.mode says, because the failed release does harm while it serves",
    )
    group.addoption(
        "--abandon",
        action="store_true",
        help="remove the target's containers of an interrupted switch beside; with --resume and --execute",
    )
    group.addoption("--accept-loss", metavar="REVISION", help="the lowest revision that a downgrade may undo")
    group.addoption(
        "--verdict", metavar="VERDICT", help="your verdict if the runbook's is review: additive or breaking"
    )
    group.addoption(
        "--strategy",
        metavar="STRATEGY",
        help="bridge: relax the schema for the target, if that touches no row; with --because",
    )
    group.addoption(
        "--no-migrations",
        action="store_true",
        help="confirm that the target works with the schema, if the settings name no database; with --because",
    )
    group.addoption(
        "--detected-at", metavar="TIME", help="when the incident was detected (2026-01-31T03:05Z); for the record"
    )
    group.addoption("--impact", metavar="WORDS", help="what users noticed; for the record")
    group.addoption("--severity", metavar="WORD", help="severity on the team's scale; for the record")
    group.addoption("--because", metavar="REASON", help="the reason; goes into the record")
    group.addoption("--disable", metavar="SWITCH", help="with -m emergency: the switch to turn off")
    group.addoption("--enable", metavar="SWITCH", help="with -m emergency: the switch to turn on again")
    group.addoption("--dump", metavar="FILE", help="with -m restore: the dump: a name in .runbook/ or a full path")
    group.addoption("--release", metavar="TAG", help="with -m pre_deploy: the release to be deployed")
    group.addoption("--expect", metavar="TAG", help="with -m post_deploy: the release that must be running")
    group.addoption("--hosts", metavar="NAMES", help="only these of several hosts, such as shop-1,shop-3")
    group.addoption("--json", action="store_true", help="print only the plan, as JSON for programs")
    group.addoption("--no-color", action="store_true", help="no colors on the terminal (same as --color=no)")
    group.addoption("--settings", metavar="PATH", help="the settings file (default: runbook.toml)")
    group.addoption(
        "--reports", metavar="DIR", default=REPORTS, help="folder for records (default: reports, next to the features)"
    )


@dataclass(frozen=True)
class Run:
    """The run of this pytest process: its mode, its production, and the place of its record."""

    settings: Settings
    mode: Mode
    kind: str
    options: Options
    incident: str
    folder: Path
    settings_given: str | None
    reports_given: str | None
    started_in: Path
    #: The paths as typed.
    features: tuple[str, ...]
    mark: str
    earlier: PreviousRuns | None
    #: The plan named by `--plan`, or None. It is executed as it is, or not at all.
    plan: Plan | None = None
    settings_file: Path | None = None

    @cached_property
    def on_each(self) -> dict[str, Settings]:
        """The settings of each host of this run, by name, the canary first; see `Settings.on_each`."""
        return {n: each for n, each in self.settings.on_each().items() if n in (self.options.hosts or (n,))}

    @property
    def typed(self) -> list[str]:
        """The words that start this run again in the same folder: program, folders, settings, reports.

        A run covers whole folders: a file, or one scenario of it, is not a runbook.
        """
        paths = [path.partition("::")[0] for path in self.features]
        folders = dict.fromkeys(str(Path(path).parent) if path.endswith(".feature") else path for path in paths)
        return without_usual([program(self.started_in), *folders, *self._places], self.started_in)

    @property
    def is_plan(self) -> bool:
        """Whether it plans a change: a rollback, an emergency or a restore."""
        return self.mode is Mode.PLAN and self.kind != "validation"

    @property
    def _places(self) -> list[str]:
        settings = ["--settings", self.settings_given] if self.settings_given else []
        reports = ["--reports", self.reports_given] if self.reports_given else []
        return [*settings, *reports]

    def command(self, *options: str) -> str:
        """Return the command for a run like this one with these options."""
        return shown([*self.typed, *options])

    @property
    def _marks(self) -> list[str]:
        return ["--abandon"] if self.abandons else ["-m", self.mark] if self.mark else []

    @property
    def abandons(self) -> bool:
        """Whether it removes the target's containers again."""
        return self.mark == ABANDON

    @property
    def again(self) -> str:
        """The command that starts everything this run was asked for again."""
        marks = self._marks
        resume = ["--resume", self.incident] if self.earlier else []
        execute = ["--execute", self.settings.project.name] if self.mode is Mode.EXECUTE else []
        return self.command(*marks, *resume, *self.options.typed, *execute)

    def overriding(self, step_id: str) -> str:
        """Return the command that continues past the step with that id, which stopped this run."""
        if self.mode is Mode.EXECUTE:
            marks = self._marks
            resume, execute = ["--resume", self.incident], ["--execute", self.settings.project.name]
            return self.command(*marks, *resume, "--override", step_id, "--because", "how you know", *execute)
        options = self.options
        override, because = (*options.override, step_id), options.because or "how you know"
        return replace(self, options=replace(options, override=override, because=because)).again

    def resume_command(self, incident: str) -> str:
        """Return what to do about another incident that was interrupted, with the command to type."""
        name = self.settings.project.name
        if (self.folder.parent / incident / "journal.jsonl").is_file():
            return f"resume that incident: type {resume_command(incident, name, self.typed)}"
        python = str(Path(program(self.started_in)).with_name("python"))
        unlock = shlex.join([python, "-m", "runbook", "unlock", *self._places, "--force", "--why", "why that is safe"])
        return (
            f"its journal is not in {self.folder.parent}: resume where the journal is; if it is lost, remove the lock"
            f" before you type the same again: type {unlock}"
        )

    @property
    def journal(self) -> Path:
        """The journal of this run."""
        return self.folder / "journal.jsonl"

    @property
    def page(self) -> Path:
        """The page made from the journal."""
        return self.folder / "record.html"


#: The mark of the scenarios that `--abandon` selects.
ABANDON = "abandon"
#: The run, if this pytest runs the runbook. Missing if it runs the project's tests.
RUN = pytest.StashKey[Run]()
#: The rehearsal of this run, set before the run is read.
REHEARSED = pytest.StashKey["Rehearsed"]()


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsal: the settings file of its practice production, and whether this run is its plan."""

    settings: Path
    plan: bool = False


def runs_features(config: pytest.Config) -> bool:
    """Return whether this pytest was started on feature files."""
    paths = [config.invocation_params.dir / re.split(r"::", argument)[0] for argument in config.args]
    return any(path.suffix == ".feature" or (path.is_dir() and any(path.glob("*.feature"))) for path in paths)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings and the options before any other plugin opens a file. Refusals exit with code 4."""
    only_asks = config.option.collectonly or config.option.help or config.option.markers
    if only_asks or not runs_features(config):
        _refuse_execute_elsewhere(config)
        return
    # The project's tests turn warnings into errors. A library's deprecation must not stop a rollback half way.
    config.addinivalue_line("filterwarnings", "ignore")
    # By now pytest has applied the configured filters for the whole session; it restores them at the end.
    warnings.simplefilter("ignore")
    config.option.disable_warnings = True
    # pytest's own style reads the source of every loaded module: half a second in which users may be waiting.
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "native"
    try:
        config.stash[RUN] = run = read_run(config)
        take_own_chapters(config, run.settings, (run.settings_file or Path()).absolute().parent)
    except RunbookError as error:
        raise pytest.UsageError(visible(str(error))) from None


def _refuse_execute_elsewhere(config: pytest.Config) -> None:
    if config.option.execute:
        typed = Typed((program(config.invocation_params.dir), "features", "--execute", config.option.execute))
        raise pytest.UsageError(f"--execute without feature files → type {typed}")


def _home(config: pytest.Config) -> Path:
    """Return the folder of settings and records: the checkout, or, if the runbook is installed, the current folder."""
    return config.invocation_params.dir if config.rootpath == PACKAGED else config.rootpath


def read_run(config: pytest.Config) -> Run:
    """Read from the command line and the settings what this run does.

    Raises SettingsError if the settings cannot be read, the project name does not match or options conflict;
    TargetError for an invalid tag; PlanVoid or JournalError for a plan or an incident that cannot be used.
    """
    rehearsed = config.stash.get(REHEARSED, None)
    given = config.option.settings
    path = rehearsed.settings if rehearsed else Path(given) if given else _home(config) / SETTINGS
    settings, typed = load(path), Typed.by(config)
    execute = config.option.execute
    if rehearsed:
        execute = None if rehearsed.plan else settings.project.name
    if execute is not None and execute != settings.project.name:
        raise SettingsError(
            f"--execute {execute}, but the settings are for the project {settings.project.name}",
            f"if that is the right project, type {typed.without('--execute').plus('--execute', settings.project.name)}",
        )
    options = asked_for(config)
    if options.no_migrations and settings.unchecked_migrations is not Absent.DATABASE:
        raise SettingsError(
            "--no-migrations has no effect with these settings: migrations are checked, or there are none",
            f"type {typed.without('--no-migrations')}",
        )
    _refuse_unknown_hosts(options, settings, typed)
    mark = _mark(config, typed, settings.project.name)
    reports = _home(config) / config.option.reports
    plan = plan_named(config, settings.project, reports)
    if plan is not None:
        options = as_planned(plan, options, typed)
    if execute is not None and mark not in ("", *WHOLE_BY_MARK, ABANDON):
        raise SettingsError(
            f"--execute with -m {mark!r}: a validation changes nothing, and a rollback runs all its scenarios;"
            " --execute allows only -m emergency and -m restore",
            f"type {typed.without('--execute' if mark in VALIDATIONS else '-m')}",
        )
    if mark not in VALIDATIONS and set(VALIDATIONS) & set(re.findall(r"\w+", mark)):
        again = typed.without("-m").plus("-m", "post_deploy")
        raise SettingsError(f"-m {mark!r}: a validation cannot be combined with other marks", f"type {again}")
    kind = _kind(mark, execute)
    refuse_json_elsewhere(config, typed, plans=execute is None and kind != "validation")
    if rehearsed:
        kind = f"{'emergency-' if kind == 'emergency' else ''}rehearsal{'-plan' if rehearsed.plan else ''}"
    resumed, earlier = config.option.resume, None
    if resumed is not None:
        folder, incident = _folder_of(reports, resumed, settings.project.name, execute, typed), resumed
        earlier = read_earlier(folder, settings, options, typed, mark=kind if kind in WHOLE_BY_MARK else "")
        if mark == ABANDON and "rolled-back" in earlier.passed:
            raise SettingsError(
                f"incident {incident} has rolled back: the failed release is gone, and the switch cannot be abandoned",
                f"to resume it, type {typed.without('--abandon')}",
            )
        kind, options = earlier.kind, earlier.options
    else:
        folder, incident = make_record(reports, settings.project.name, kind)
    return Run(
        settings=settings,
        mode=_mode(kind, execute, options),
        kind=kind,
        options=options,
        incident=incident,
        folder=folder,
        settings_given=str(path) if rehearsed or given else None,
        reports_given=config.option.reports if config.option.reports != REPORTS else None,
        started_in=config.invocation_params.dir,
        features=tuple(config.args),
        mark=mark,
        earlier=earlier,
        plan=plan,
        settings_file=path,
    )


def _mark(config: pytest.Config, typed: Typed, project: str) -> str:
    """Return the selected mark, also for `--abandon`. Raises SettingsError if the two conflict."""
    option, mark = config.option, config.option.markexpr.strip()
    if not option.abandon and mark != ABANDON:
        return str(mark)
    again = typed.without("--abandon", "-m", "--execute").plus("--abandon", "--execute", project)
    if mark:
        raise SettingsError(f"-m {mark} with --abandon, which selects its scenarios itself", f"type {again}")
    if option.resume is None or option.execute is None:
        raise SettingsError(
            "--abandon needs --resume and --execute: name the incident whose switch to abandon",
            f"with the incident's name for INCIDENT, type {again.without('--resume').plus('--resume', 'INCIDENT')}",
        )
    option.markexpr = ABANDON
    return ABANDON


def _refuse_unknown_hosts(options: Options, settings: Settings, typed: Typed) -> None:
    names = [name for name in settings.on_each() if name]
    for given in options.hosts:
        if given not in names:
            there = f"the settings have {', '.join(names)}" if names else "the settings have one host"
            again = typed.without("--hosts").plus(*(("--hosts", ",".join(names)) if names else ()))
            raise SettingsError(f"--hosts {given}, but {there}", f"type {again}")


def _folder_of(reports: Path, incident: str, project: str, execute: str | None, typed: Typed) -> Path:
    if execute is None:
        again = typed.plus("--execute", project)
        raise SettingsError("--resume needs --execute: resuming changes production", f"type {again}")
    if (name := Path(incident).name) != incident:
        again = typed.without("--resume").plus("--resume", name)
        raise SettingsError(f"--resume {incident} is not an incident's name", f"type {again}")
    if reports.exists():
        make_reports(reports)
    check_record(reports / incident)
    return reports / incident


def _mode(kind: str, execute: str | None, options: Options) -> Mode:
    if execute is not None:
        return Mode.EXECUTE
    # A pre-deploy validation writes nothing on the host and does not judge what runs.
    return Mode.VALIDATE if kind == "validation" and not options.release else Mode.PLAN


def _kind(selected: str, execute: str | None) -> str:
    kinds = {**{mark: mark for mark in WHOLE_BY_MARK}, **dict.fromkeys(VALIDATIONS, "validation")}
    return kinds.get(selected, "rollback" if execute else "plan")
