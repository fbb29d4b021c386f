"""The private touches of pytest's JUnit plugin."""

from xml.etree import ElementTree as ET

import pytest
from _pytest.junitxml import bin_xml_escape, xml_key

from runbook.text import visible


def tell(config: pytest.Config, report: pytest.TestReport, output: str, place: tuple[str, int], record: str) -> None:
    """Add what is known of a scenario to its test case, while that is still open; nothing without `--junitxml`.

    `place` is its file and line.
    """
    xml = config.stash.get(xml_key, None)
    if xml is None:
        return
    case = xml.node_reporter(report)
    # `xunit1` keeps the two, and pytest has those of the function in pytest-bdd there.
    for name, value in zip(("file", "line"), place, strict=True):
        case.add_attribute(name, value)
    case.add_property("record", record)
    if output:
        told = ET.Element("system-out")
        told.text = bin_xml_escape(visible(output))
        case.append(told)
