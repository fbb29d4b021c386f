"""Third-party plugins that reorder or repeat scenarios, and the command that blocks them."""

from collections.abc import Iterable, Iterator

import pytest

from harness.session.retyped import Typed

#: The hooks with which a plugin can reorder or repeat scenarios.
COLLECTING = ("pytest_collection_modifyitems", "pytest_generate_tests", "pytest_collection", "pytest_collection_finish")
#: Top-level modules whose implementations of these hooks are expected.
_KNOWN = ("_pytest", "pytest_bdd", "pytest_html", "pytest_metadata", "harness", "steps", "rehearsal")


def without_meddlers(config: pytest.Config, typed: Typed, hooks: Iterable[str]) -> str:
    """Return what to do about unknown plugins that implement one of these hooks, with the command to type."""
    found = set(_strangers(config, hooks))
    files = {name for name, _ in found if name.endswith(".py")}  # a conftest.py, which no option blocks
    names = {name for name, _ in found} - files
    for name in names | {module for name, module in found if name in names}:
        typed = typed.without_value("-p", name)
    typed = typed.plus(*(word for name in sorted(names) for word in ("-p", f"no:{name}")))
    if files:
        return f"remove that hook from {', '.join(sorted(files))}, then type {typed}"
    return f"type {typed}" if names else f"to list the plugins, type {typed.plus('--trace-config')}"


def _strangers(config: pytest.Config, hooks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the registered name and the module name of each unknown plugin."""
    for hook in hooks:
        for found in getattr(config.hook, hook).get_hookimpls():
            module = str(getattr(found.plugin, "__name__", type(found.plugin).__module__))
            if module.partition(".")[0] not in _KNOWN:
                yield found.plugin_name, module
