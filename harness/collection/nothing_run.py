"""The refusal of runs that select or run nothing: exit code 0 means that the checks ran."""

import re
from collections.abc import Generator

import pytest

from harness.asked_for import VALIDATIONS
from harness.collection.guards import misplaced
from harness.collection.meddlers import without_meddlers
from harness.session.blocked import blocked, unblocked
from harness.session.lifecycle import CONDUCT
from harness.session.retyped import Typed

#: Options of pytest and its plugins that show something and run nothing, by their attribute names.
_SHOWING = {
    "collectonly": "--collect-only",
    "showfixtures": "--fixtures",
    "show_fixtures_per_test": "--fixtures-per-test",
    "markers": "--markers",
    "cacheshow": "--cache-show",
    "version": "--version",
    "help": "--help",
    "setuponly": "--setup-only",
    "setupplan": "--setup-plan",
    "generate_missing": "--generate-missing",
}
_RAN = "exit code 0 means that the checks ran"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Refuse options that run nothing, and refuse exit code 0 if no check ran for any other reason."""
    if (asked := _asked(config)) is None:
        return (yield)
    showing = [flag for name, flag in _SHOWING.items() if getattr(config.option, name, None)]
    problems = [f"{', '.join(showing)} with {asked}: it runs nothing, but {_RAN}"] if showing else []
    if problems := [*problems, *blocked(config)]:
        more, typed = misplaced(config, unblocked(config, Typed.by(config).without(*showing)))
        raise pytest.UsageError(f"{'; '.join([*problems, *more])} → type {typed}")
    result = yield
    if result in (None, pytest.ExitCode.OK) and CONDUCT not in config.stash:
        helps = without_meddlers(config, Typed.by(config), ("pytest_cmdline_main",))
        raise pytest.UsageError(f"{asked}, but nothing ran: {_RAN} → {helps}")
    return result


def _asked(config: pytest.Config) -> str | None:
    """Return the option that asks for an execution, a rehearsal or a validation, or None."""
    option = config.option
    words = [str(word).partition("=")[0] for word in config.invocation_params.args]
    for flag in ("execute", "rehearse"):
        # With `--help`, pytest does not parse the options after it.
        if getattr(option, flag, None) is not None or f"--{flag}" in words:
            return f"--{flag}"
    mark = str(getattr(option, "markexpr", "") or "").strip()
    wanted = re.findall(r"(not\s+)?(\w+)", mark)
    return f"-m {mark}" if any(word in VALIDATIONS and not without for without, word in wanted) else None
