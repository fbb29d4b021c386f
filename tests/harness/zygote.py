"""Runs pytest in forked children, so that a test of the harness does not wait for imports: `python -m …zygote`.

Each line of its standard input is a request in JSON; it answers with the child's process id, then its exit code.
What a child sees of pytest and of all plugins is what `python -m pytest` would see: loaded here are only libraries, and
modules of the product that do nothing when they are imported.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import apprise
import docker  # noqa: F401 - loaded for the children
import gherkin.parser  # noqa: F401 - the same
import parse_type  # noqa: F401 - the same
import pytest
import yaml  # noqa: F401 - the same

import runbook.chapters.context
import runbook.chapters.strategy
import runbook.hosts.engine.transport
import runbook.report.plan.plan_file
import runbook.settings.loading.loader  # noqa: F401 - the same, all five
from runbook.report.archive import index_page
from runbook.report.page import templating

_INDEX = Path(index_page.__file__).with_name("templates")


def child(request: dict[str, object]) -> None:
    """Become the pytest that was asked for. Does not return."""
    code = 99
    try:
        os.setsid()
        # A shell starts what stands behind `&` with Ctrl-C ignored, and nohup its command with SIGHUP ignored. We heed
        # that; these tests send both.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.chdir(str(request["folder"]))
        output = os.open(str(request["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[arg-type,call-overload]
        sys.path.insert(0, str(request["folder"]))
        # Hypothesis loads itself at the end of each run, for a summary that no run has.
        code = int(pytest.main(["-p", "no:hypothesispytest", *request["arguments"]]))  # type: ignore[misc]
    except BaseException:  # noqa: BLE001 - whatever it was must be seen in the output, and must not go on in here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _load_plugins() -> None:
    """Let pytest load the plugins that are installed, as it does in each run: in a run that only lists its marks."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()), contextlib.chdir(folder):
        pytest.main(["--markers", "-p", "no:hypothesispytest", "-c", os.devnull])
    # Only now: it brings anyio, of which pytest loads a plugin.
    importlib.import_module("httpcore")
    apprise.Apprise().add("json://localhost")  # loads its own plugins


def _compile_templates() -> None:
    """Compile what every child's record and index are made with: that takes half of a short run."""
    pages, index = templating.environment(), templating.environment(_INDEX)
    for environment, folder in ((pages, templating.TEMPLATES), (index, _INDEX)):
        for path in folder.glob("*.html.jinja"):
            environment.get_template(path.name)


def main() -> None:
    """Serve requests until there are no more."""
    _load_plugins()
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
    main()
