"""Runs pytest, or `python -m runbook`, in forked children, so that a test does not wait for imports.

Each line of its standard input is a request in JSON; it answers with the child's process id, then its exit code.
What a child sees of pytest and of all plugins is what `python -m pytest` would see: loaded here are only libraries, and
modules of the product that do nothing when they are imported; plugins as pytest loads them, with their assertions
rewritten.
"""

import contextlib
import gc
import importlib.metadata
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import Any

import apprise
import docker  # noqa: F401 - loaded for the children
import gherkin.parser  # noqa: F401 - the same
import parse_type  # noqa: F401 - the same
import pytest
import yaml  # noqa: F401 - the same

import runbook.chapters.strategy
import runbook.cli.assess
import runbook.cli.verify
import runbook.hosts.engine.transport
import runbook.report.archive.forecast
import runbook.report.page.job_summary
import runbook.report.plan.moved
import runbook.report.plan.short
import runbook.settings.loading.loader  # noqa: F401 - the same, all of them
from runbook.cli import main
from runbook.report.archive import index_page
from runbook.report.page import templating
from tests.harness.inner import plugins_of_harness

_INDEX = Path(index_page.__file__).with_name("templates")


def child(request: dict[str, Any]) -> None:
    """Become the run that was asked for. Does not return."""
    code = 99
    try:
        os.setsid()
        # A shell starts what stands behind `&` with Ctrl-C ignored, and nohup its command with SIGHUP ignored. We heed
        # that; these tests send both.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.chdir(request["folder"])
        _open_streams(request)
        os.environ.clear()
        os.environ.update(request["environment"])
        code = (_command_line if request.get("is_command") else _pytest)(request)
    except BaseException:  # noqa: BLE001 - whatever it was must be seen in the output, and must not go on in here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _pytest(request: dict[str, Any]) -> int:
    sys.path.insert(0, request["folder"])
    # Hypothesis loads itself at the end of each run, for a summary that no run has.
    return int(pytest.main(["-p", "no:hypothesispytest", *request["arguments"]]))


def _command_line(request: dict[str, Any]) -> int:
    sys.argv = ["runbook", *request["arguments"]]
    try:
        return main.main()
    except SystemExit as misuse:  # so argparse ends
        return int(misuse.code or 0)


def _open_streams(request: dict[str, Any]) -> None:
    """On a terminal or in files. The first terminal that a session opens is its own: Ctrl-C comes from there."""
    if "terminal" in request:
        streams = [os.open(request["terminal"], os.O_RDWR)] * 3
    else:
        made = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        output = os.open(request["output"], made)
        errors = os.open(request["errors"], made) if "errors" in request else output
        streams = [os.open(request.get("input", os.devnull), os.O_RDONLY), output, errors]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]


class _OurPlugins:
    """Loads the plugins of a runbook project, and registers none: what a run registers is its own matter."""

    def pytest_configure(self, config: pytest.Config) -> None:
        for name in plugins_of_harness():
            config.pluginmanager.rewrite_hook.mark_rewrite(name)
            importlib.import_module(name)


def _load_plugins() -> None:
    """Let pytest load the plugins that are installed, as it does in each run: in a run that only lists its marks."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(folder):
        pytest.main(["--markers", "-p", "no:hypothesispytest", "-c", os.devnull], plugins=[_OurPlugins()])
    # Only now: it brings anyio, of which pytest loads a plugin.
    importlib.import_module("httpcore")
    apprise.Apprise().add("json://localhost")  # loads its own plugins


def _remember_packages() -> None:
    """Read once what is installed: pytest reads all of it for each plugin that conftest.py names."""
    found = tuple(importlib.metadata.distributions())
    known = importlib.metadata.Distribution
    for name in ("entry_points", "files", "metadata"):
        read = cache(vars(known)[name].fget)
        setattr(known, name, property(read))
        for each in found:
            read(each)
    importlib.metadata.distributions = lambda: iter(found)  # type: ignore[assignment]
    importlib.metadata.distribution = cache(importlib.metadata.distribution)
    for name in sys.modules["harness.session.run"]._PACKAGES:
        importlib.metadata.version(name)


def _compile_templates() -> None:
    """Compile what every child's record, index and report are made with: that takes half of a short run."""
    pages, index = templating.environment(), templating.environment(_INDEX)
    for environment, folder in ((pages, templating.TEMPLATES), (index, _INDEX)):
        for path in folder.glob("*.html.jinja"):
            environment.get_template(path.name)
    report = sys.modules["pytest_html.plugin"]
    template = report._read_template([Path(str(report.__file__)).with_name("resources")])
    report._read_template = lambda _folders: template  # type: ignore[attr-defined]


def serve() -> None:
    """Serve requests until there are no more."""
    _load_plugins()
    _remember_packages()
    _compile_templates()
    gc.freeze()
    # pytest collects garbage twice at its end, to find what was never closed; in a fork that copies every page.
    gc.collect = lambda _generation=2: 0  # type: ignore[assignment]
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            child(json.loads(line))
        print(process, flush=True)  # noqa: T201 - its answer
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    serve()
