"""Annotations on a GitHub Actions job: the steps that stopped the run, at their lines in the feature files.

GitHub reads workflow commands from a job's output, one per line
(https://docs.github.com/actions/reference/workflow-commands). Text from elsewhere must not be read as a command, so
commands are stopped until the last lines are printed.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import pytest

from harness.options import RUN
from runbook.actions import Outcome
from runbook.errors import with_next_step
from runbook.journal.journal import Entry
from runbook.report.incident_report import IncidentReport
from runbook.report.timeline import Step
from runbook.text import visible

#: Characters of a message. GitHub's runner cuts off everything after 4096.
_LONGEST = 4000
#: The token of `::stop-commands::`. GitHub reads no commands until it is printed again.
_GO_ON = pytest.StashKey[str]()


def on_github(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is a GitHub Actions job."""
    return environment.get("GITHUB_ACTIONS") == "true"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Stop GitHub from reading commands in the output of the run."""
    if RUN in config.stash and on_github():
        config.stash[_GO_ON] = token = secrets.token_hex(16)
        # Goes straight to stdout or stderr, which GitHub both reads; the token holds nothing of a run.
        print(f"::stop-commands::{token}", flush=True, file=_where(config))


def annotate(config: pytest.Config, entries: Sequence[Entry], nodeids: Sequence[str]) -> None:
    """Let GitHub read commands again, and print the annotations. Does nothing outside of GitHub Actions."""
    if (token := config.stash.get(_GO_ON, None)) is None:
        return
    print(f"::{token}::", file=_where(config))
    for line in annotations(entries, _files(config.rootpath, nodeids)):
        print(line, file=_where(config))


def _where(config: pytest.Config) -> TextIO:
    """Return the stream for GitHub: stderr with `--json`, so that the plan on stdout stays valid JSON."""
    return sys.stderr if config.option.json else sys.stdout


def _files(root: Path, nodeids: Sequence[str]) -> dict[str, str]:
    """Return the feature files by name, as paths relative to GitHub's workspace if they are in it."""
    workspace, found = Path(os.environ.get("GITHUB_WORKSPACE") or root), {}
    for file in dict.fromkeys(root / each.partition("::")[0] for each in nodeids):
        found[file.name] = str(file.relative_to(workspace if file.is_relative_to(workspace) else root))
    return found


def annotations(entries: Sequence[Entry], files: Mapping[str, str]) -> Iterator[str]:
    """Yield an error for each step that stopped the run, and a warning for each step that waits for a decision.

    `files` holds the paths of the feature files, by name.
    """
    story = IncidentReport(entries)
    for step in story.failed:
        yield _annotation("error", step, files)
    if story.closed.get("outcome") == Outcome.DECISION_NEEDED:
        for step in story.steps:
            if step.outcome == Outcome.PLANNED and step.next_step:
                yield _annotation("warning", step, files)


def _annotation(level: str, step: Step, files: Mapping[str, str]) -> str:
    name, _, line = step.place.rpartition(":")
    about = {"file": files.get(name, name), "line": line, "title": f"{step.keyword} {step.text}"}
    told = ",".join(f"{key}={_property(value)}" for key, value in about.items())
    return f"::{level} {told}::{_data(_message(step))}"


def _message(step: Step) -> str:
    """Return a step's message, cut to what GitHub keeps. The next step comes last and is never cut."""
    room = max(_LONGEST - len(with_next_step("", step.next_step)), 0)
    cut = f"{step.detail[:room]} …" if len(step.detail) > room else step.detail
    return with_next_step(cut, step.next_step)


def _data(text: str) -> str:
    r"""Escape a message for GitHub's runner.

    >>> _data("100 %\n::error::x")
    '100 %25%0A::error::x'
    """
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
