"""The private parts of pytest-html that the harness uses; each has a test in tests/harness/test_compat_html.py."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pytest_html.basereport import BaseReport  # type: ignore[import-untyped]

_HEAD = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; img-src data:; media-src data:\">"
    # pytest-html sets no viewport; without one, a phone shows the page at desktop width.
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
)
#: Pieces of pytest-html's template, each present there once, and their replacements.
REPLACED = (
    ("<html>", '<html lang="en">'),
    ('<meta charset="utf-8"/>', f'<meta charset="utf-8">{_HEAD}'),
    ('<h1 id="title">', '<details><summary>pytest\'s report</summary><p id="title">'),
    ("</h1>", "</p>"),
    ("<h2>Environment</h2>", "<h3>Environment</h3>"),
    ('<table id="environment"></table>', '<table id="environment" aria-label="Environment"></table>'),
    ("<h2>Summary</h2>", "<h3>Summary</h3>"),
    ('<table id="results-table">', '<table id="results-table" aria-label="Results, one row per scenario">'),
    ("<footer>", "</details></section></main><footer>"),
)
_BODY = "<body>"
_TITLE = re.compile('(?<=<title id="head-title">)')
_HEADLINE = re.compile("<h1>(.*?)</h1>", re.DOTALL)
_TAG = re.compile("<[^>]*>")
_FILTER = re.compile(r'(<input checked="true" class="filter" [^>]*data-test-result="(\w+)")')


def _plugins(config: pytest.Config) -> list[Any]:
    return [plugin for plugin in config.pluginmanager.get_plugins() if isinstance(plugin, BaseReport)]


def drop_page(config: pytest.Config) -> None:
    """Keep pytest-html from writing a page for a refused run, which has nothing to record."""
    for plugin in _plugins(config):
        # Too late to unregister the plugin: its hook is being called.
        plugin._generate_report = _no_page  # noqa: SLF001 - pytest-html offers no way to write none


def _no_page(*_: object, **__: object) -> None:
    """Write nothing."""


def lay_out_page(config: pytest.Config, record: Callable[[], str], script: str, write: Callable[[str], None]) -> None:
    """Put `record` at the top of pytest-html's page and `script` at its end; `write` writes the file.

    pytest-html's own hooks would put the record after the environment, inside the summary.
    """
    for plugin in _plugins(config):
        plugin._template = _LaidOut(plugin._template, record, script)  # noqa: SLF001 - pytest-html has only one layout
        # pytest-html's own write follows symlinks and makes the file readable by everyone.
        plugin._write_report = write  # noqa: SLF001 - pytest-html has no other way to write


class _LaidOut:
    """pytest-html's template, rearranged as it is rendered."""

    def __init__(self, template: Any, record: Callable[[], str], script: str) -> None:
        self._template = template
        self._record = record
        self._script = script

    def render(self, **facts: Any) -> str:
        """Render the page. Pieces that another version of pytest-html words differently stay unchanged."""
        page: str = self._template.render(**facts)
        for written, instead in REPLACED:
            page = page.replace(written, instead, 1)
        page = _FILTER.sub(r'\1 aria-label="\2"', page)
        page = page.replace("</footer>", f"<script>{self._script}</script></footer>")
        # The record goes in last, so that its text cannot be mistaken for parts of the layout.
        head, _, rest = page.partition(_BODY)
        record = self._record()
        # The outcome comes first in the title, so that a browser tab shows it.
        if headline := _HEADLINE.search(record):
            words = f"{_TAG.sub('', headline[1])}: "
            head = _TITLE.sub(lambda _: words, head, count=1)
        return f'{head}{_BODY}<main>{record}<section class="pt" aria-label="pytest\'s report">{rest}'
