"""The private parts of pytest's JUnit plugin that the harness uses."""

from xml.etree import ElementTree as ET

import pytest
from _pytest.junitxml import bin_xml_escape, xml_key

from runbook.text import visible


def tell(config: pytest.Config, report: pytest.TestReport, output: str, place: tuple[str, int], record: str) -> None:
    """Add output, place and record to a scenario's test case while it is still open. Does nothing without `--junitxml`.

    `place` is the scenario's file and line.
    """
    xml = config.stash.get(xml_key, None)
    if xml is None:
        return
    case = xml.node_reporter(report)
    # Only `xunit1` keeps these attributes. pytest fills them with the file and line of a function in pytest-bdd.
    for name, value in zip(("file", "line"), place, strict=True):
        case.add_attribute(name, value)
    case.add_property("record", record)
    if output:
        told = ET.Element("system-out")
        told.text = bin_xml_escape(visible(output))
        case.append(told)
