"""Every private touch of pytest-html; tests/harness/test_compat_html.py has a test for each."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pytest_html.basereport import BaseReport  # type: ignore[import-untyped]

_HEAD = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; img-src data:; media-src data:\">"
    # pytest-html's own head has none; without it a phone shows the page as if it were a desk.
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
)
#: What stands in pytest-html's template, and what stands there in our page. Each must be there once.
REPLACED = (
    ("<html>", '<html lang="en">'),
    ('<meta charset="utf-8"/>', f'<meta charset="utf-8">{_HEAD}'),
    ('<h1 id="title">', '<h2 class="pt-title">As pytest reported it</h2><p id="title">'),
    ("</h1>", "</p>"),
    ("<h2>Environment</h2>", "<h3>Environment</h3>"),
    ('<table id="environment"></table>', '<table id="environment" aria-label="Environment"></table>'),
    ("<h2>Summary</h2>", "<h3>Summary</h3>"),
    ('<table id="results-table">', '<table id="results-table" aria-label="Results, a scenario each">'),
    ("<footer>", "</section></main><footer>"),
)
_BODY = "<body>"
_FILTER = re.compile(r'(<input checked="true" class="filter" [^>]*data-test-result="(\w+)")')


def _plugins(config: pytest.Config) -> list[Any]:
    return [plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, BaseReport)]


def drop_page(config: pytest.Config) -> None:
    """Let pytest-html write no page in this run: it was refused, so there is nothing to record."""
    for plugin in _plugins(config):
        # Unregistering would come too late for the hook that is being called.
        plugin._generate_report = _no_page  # noqa: SLF001 - pytest-html offers no way to write none


def _no_page(*_: object, **__: object) -> None:
    """Write nothing."""


def lay_out_page(config: pytest.Config, record: Callable[[], str], script: str, write: Callable[[str], None]) -> None:
    """Let pytest-html's page begin with `record`, its own parts below; `script` is run at its end; `write` keeps it.

    In its own layout the record would be read after its environment, and stand inside of its summary.
    """
    for plugin in _plugins(config):
        plugin._template = _LaidOut(plugin._template, record, script)  # noqa: SLF001 - it has one layout only
        # By itself it writes through whatever link lies there, for everybody to read.
        plugin._write_report = write  # noqa: SLF001 - it has no other way to write


class _LaidOut:
    """pytest-html's template, laid out anew when it is rendered."""

    def __init__(self, template: Any, record: Callable[[], str], script: str) -> None:
        self._template = template
        self._record = record
        self._script = script

    def render(self, **facts: Any) -> str:
        """Render the page. What a newer pytest-html writes otherwise stays as it is: the record is there at least."""
        page: str = self._template.render(**facts)
        for written, instead in REPLACED:
            page = page.replace(written, instead, 1)
        page = _FILTER.sub(r'\1 aria-label="\2"', page)
        page = page.replace("</footer>", f"<script>{self._script}</script></footer>")
        # The record last: nothing in it is taken for a part of the layout.
        head, _, rest = page.partition(_BODY)
        return f'{head}{_BODY}<main>{self._record()}<section class="pt" aria-label="The report of pytest">{rest}'
