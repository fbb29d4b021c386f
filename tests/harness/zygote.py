"""Runs pytest, or `python -m runbook`, in forked children, so that a test does not wait for imports.

Each line of standard input is a request in JSON. The answer is the child's process id, then its exit code.
A child sees pytest and all plugins as under `python -m pytest`: only libraries, and product modules whose import has no
effects, are loaded here beforehand, and plugins as pytest loads them, with their assertions rewritten.
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
import gherkin.parser  # noqa: F401 - loaded for the children
import parse_type  # noqa: F401 - loaded for the children
import pytest
import yaml  # noqa: F401 - loaded for the children

import runbook.chapters.strategy
import runbook.cli.assess
import runbook.cli.verify
import runbook.hosts.engine.transport
import runbook.report.archive.forecast
import runbook.report.page.job_summary
import runbook.report.plan.moved
import runbook.report.plan.short
import runbook.settings.loading.loader  # noqa: F401 - loaded for the children, like the modules above
from runbook.cli import main
from runbook.report.archive import index_page
from runbook.report.page import templating
from tests.harness.inner import plugins_of_harness

_INDEX = Path(index_page.__file__).with_name("templates")


def child(request: dict[str, Any]) -> None:
    """Run the request in this process and exit. Does not return."""
    code = 99
    try:
        os.setsid()
        # A shell starts a command with `&` with SIGINT ignored, and nohup starts its command with SIGHUP ignored. The
        # harness respects that, but these tests send both signals.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.chdir(request["folder"])
        _open_streams(request)
        os.environ.clear()
        os.environ.update(request["environment"])
        code = (_command_line if request.get("is_command") else _pytest)(request)
    except BaseException:  # noqa: BLE001 - every error must be in the output, and must not leave the child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _pytest(request: dict[str, Any]) -> int:
    sys.path.insert(0, request["folder"])
    # Hypothesis loads itself at the end of each run, for a summary that no run prints.
    return int(pytest.main(["-p", "no:hypothesispytest", *request["arguments"]]))


def _command_line(request: dict[str, Any]) -> int:
    sys.argv = ["runbook", *request["arguments"]]
    try:
        return main.main()
    except SystemExit as misuse:  # argparse exits this way
        return int(misuse.code or 0)


def _open_streams(request: dict[str, Any]) -> None:
    """Open a terminal or files. The first terminal that a session opens controls it: Ctrl-C comes from there."""
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
    """Loads the plugins of a runbook project without registering them: each run registers its own."""

    def pytest_configure(self, config: pytest.Config) -> None:
        for name in plugins_of_harness():
            config.pluginmanager.rewrite_hook.mark_rewrite(name)
            importlib.import_module(name)


def _load_plugins() -> None:
    """Let pytest load the installed plugins as in each run, by a run that only lists the marks."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(folder):
        pytest.main(["--markers", "-p", "no:hypothesispytest", "-c", os.devnull], plugins=[_OurPlugins()])
    # Only now, because it imports anyio, whose plugin pytest must load itself.
    importlib.import_module("httpcore")
    apprise.Apprise().add("json://localhost")  # loads its own plugins


def _remember_packages() -> None:
    """Read the installed packages once: pytest reads all of them for each plugin that conftest.py names."""
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
    """Compile the templates of record, index and report for all children: this takes half of a short run."""
    pages, index = templating.environment(), templating.environment(_INDEX)
    for environment, folder in ((pages, templating.TEMPLATES), (index, _INDEX)):
        for path in folder.glob("*.html.jinja"):
            environment.get_template(path.name)
    report = sys.modules["pytest_html.plugin"]
    template = report._read_template([Path(str(report.__file__)).with_name("resources")])
    report._read_template = lambda _folders: template  # type: ignore[attr-defined]


def serve() -> None:
    """Serve requests until standard input ends."""
    _load_plugins()
    _remember_packages()
    _compile_templates()
    gc.freeze()
    # At its end pytest collects garbage twice to find unclosed resources; in a fork that copies every memory page.
    gc.collect = lambda _generation=2: 0  # type: ignore[assignment]
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            child(json.loads(line))
        print(process, flush=True)  # noqa: T201 - the answer
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    serve()
