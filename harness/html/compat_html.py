"""Every private touch of pytest-html; tests/harness/test_compat_html.py has a test for each."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from pytest_html.basereport import BaseReport  # type: ignore[import-untyped]

_HEAD = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; img-src data:; media-src data:\">"
    # pytest-html has no viewport; without one a phone shows the page in desktop width.
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
)
#: Pieces of pytest-html's template, each found there once, and their replacements.
REPLACED = (
    ("<html>", '<html lang="en">'),
    ('<meta charset="utf-8"/>', f'<meta charset="utf-8">{_HEAD}'),
    ('<h1 id="title">', '<details><summary>As pytest reported it</summary><p id="title">'),
    ("</h1>", "</p>"),
    ("<h2>Environment</h2>", "<h3>Environment</h3>"),
    ('<table id="environment"></table>', '<table id="environment" aria-label="Environment"></table>'),
    ("<h2>Summary</h2>", "<h3>Summary</h3>"),
    ('<table id="results-table">', '<table id="results-table" aria-label="Results, a scenario each">'),
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
    """Keep pytest-html from writing a page: the run was refused, so there is nothing to record."""
    for plugin in _plugins(config):
        # It is too late to unregister it: its hook is being called.
        plugin._generate_report = _no_page  # noqa: SLF001 - pytest-html offers no way to write none


def _no_page(*_: object, **__: object) -> None:
    """Write nothing."""


def lay_out_page(config: pytest.Config, record: Callable[[], str], script: str, write: Callable[[str], None]) -> None:
    """Put `record` on top of pytest-html's page and `script` at its end; `write` writes the file.

    In its own layout the record would follow the environment, inside of the summary.
    """
    for plugin in _plugins(config):
        plugin._template = _LaidOut(plugin._template, record, script)  # noqa: SLF001 - it has one layout only
        # By itself it follows links, and writes for everybody to read.
        plugin._write_report = write  # noqa: SLF001 - it has no other way to write


class _LaidOut:
    """pytest-html's template, rearranged when it is rendered."""

    def __init__(self, template: Any, record: Callable[[], str], script: str) -> None:
        self._template = template
        self._record = record
        self._script = script

    def render(self, **facts: Any) -> str:
        """Render the page. What a newer pytest-html has in other words is left as it is."""
        page: str = self._template.render(**facts)
        for written, instead in REPLACED:
            page = page.replace(written, instead, 1)
        page = _FILTER.sub(r'\1 aria-label="\2"', page)
        page = page.replace("</footer>", f"<script>{self._script}</script></footer>")
        # The record last, or its words could be taken for parts of the layout.
        head, _, rest = page.partition(_BODY)
        record = self._record()
        # How it ended comes first in the title, so that a browser's tab tells it.
        if headline := _HEADLINE.search(record):
            words = f"{_TAG.sub('', headline[1])}: "
            head = _TITLE.sub(lambda _: words, head, count=1)
        return f'{head}{_BODY}<main>{record}<section class="pt" aria-label="The report of pytest">{rest}'
