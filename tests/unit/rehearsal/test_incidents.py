"""The incidents that can be rehearsed, and the arguments that they add to pytest's command line."""

import ast
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.errors import RehearsalError
from rehearsal.incidents.catalogue import INCIDENTS, End, Incident, find_incident
from rehearsal.plugin import _PARSER, take_arguments
from rehearsal.releases import APPLICATION, assemble, known_tags

VERSIONS = "migrations/versions"


def revisions(folder: Path) -> dict[str, tuple[str | None, ast.FunctionDef]]:
    """Return the migrations in a folder by revision: the revision below, and the `downgrade` function."""
    found = {}
    for path in (folder / VERSIONS).glob("*.py"):
        tree = ast.parse(path.read_text())
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        undo = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "downgrade")
        assert values["revision"] == path.stem
        found[values["revision"]] = (values["down_revision"], undo)
    return found


def head(found: dict[str, tuple[str | None, ast.FunctionDef]]) -> str:
    (last,) = found.keys() - {below for below, _ in found.values()}
    return last


@pytest.mark.parametrize("name", INCIDENTS)
def test_every_incident_has_its_releases(name: str) -> None:
    """An incident is found by its name, and all its releases exist."""
    incident = find_incident(name)
    assert incident is INCIDENTS[name]
    assert {incident.live, incident.failed, incident.fix or incident.live} <= set(known_tags())


@pytest.mark.parametrize("tag", known_tags())
def test_every_release_has_one_head_above_the_applications(tag: str, tmp_path: Path) -> None:
    """Every release has all of the application's migrations, and one head."""
    assemble(tag, tmp_path / tag)
    found = revisions(tmp_path / tag)
    assert found.keys() >= revisions(APPLICATION).keys()
    assert head(found) >= head(revisions(APPLICATION))


def test_the_forward_fix_continues_the_failed_releases_migrations(tmp_path: Path) -> None:
    """The fix adds one revision on top of the failed release's head."""
    incident = find_incident("forward-fix")
    assert incident.fix is not None
    for tag in (incident.failed, incident.fix):
        assemble(tag, tmp_path / tag)
    found = revisions(tmp_path / incident.fix)
    assert found[head(found)][0] == head(revisions(tmp_path / incident.failed))


def test_what_is_accepted_to_be_lost_is_what_the_failed_release_brought(tmp_path: Path) -> None:
    """The revision after --accept-loss is the one that the failed release added, and its downgrade does something."""
    incident = find_incident("breaking-migration")
    assemble(incident.failed, tmp_path)
    brought = revisions(tmp_path).keys() - revisions(APPLICATION).keys()
    assert incident.arguments == ("--accept-loss", *brought)
    assert len(revisions(tmp_path)[brought.pop()][1].body) > 2


def test_the_irreversible_downgrade_is_pass(tmp_path: Path) -> None:
    """The downgrade has only a docstring and `pass`."""
    incident = find_incident("irreversible-migration")
    assemble(incident.failed, tmp_path)
    _, undo = revisions(tmp_path)[head(revisions(tmp_path))]
    assert [type(node) for node in undo.body[1:]] == [ast.Pass]


def test_an_unknown_incident_is_refused_with_those_that_there_are() -> None:
    """An unknown incident is refused with the names of the known ones."""
    with pytest.raises(RehearsalError, match="no incident is named 'fire'; known: regression, additive-migration"):
        find_incident("fire")


def command_line(pytestconfig: pytest.Config, **typed: object) -> Any:
    """Return a configuration with the current run's parser, and options as if only `typed` had been typed."""
    parser = pytestconfig.stash[_PARSER]
    plain, _ = parser.parse_known_and_unknown_args([])
    return SimpleNamespace(stash={_PARSER: parser}, option=Namespace(**{**vars(plain), **typed}))


def bringing(*arguments: str) -> Incident:
    return Incident("x", "", "", "", lambda _practice: None, expected=End.HELD, arguments=arguments)


def test_an_incident_brings_its_arguments(pytestconfig: pytest.Config) -> None:
    """An incident's arguments count as if they had been typed."""
    config = command_line(pytestconfig)
    take_arguments(config, bringing("-m", "emergency", "--to", "one"))
    assert (config.option.markexpr, config.option.to) == ("emergency", "one")


def test_what_was_typed_counts_more(pytestconfig: pytest.Config) -> None:
    """A typed option takes precedence over the incident's argument."""
    config = command_line(pytestconfig, to="two", file_or_dir=["features"])
    take_arguments(config, bringing("-m", "emergency", "--to", "one"))
    assert (config.option.markexpr, config.option.to) == ("emergency", "two")
    assert config.option.file_or_dir == ["features"]


def test_an_argument_that_no_plugin_knows_is_refused(pytestconfig: pytest.Config) -> None:
    """An argument that no plugin knows is refused with the incident's name and the argument."""
    with pytest.raises(RehearsalError, match="the incident x needs --no-such-thing, which no plugin knows"):
        take_arguments(command_line(pytestconfig), bringing("--no-such-thing"))
