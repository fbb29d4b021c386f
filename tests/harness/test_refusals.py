"""Runs that are refused: one line that says why, exit code 4, no record, and production untouched."""

from collections.abc import Callable

import pytest

from tests.harness.inner import Ran, Runbook, scenario

CHANGING = scenario("Changing", "When a file is made", tags="@provides:changed")
NEEDING = scenario("Needing", "When a file is made", tags="@needs:changed @provides:further")


def project(runbook: Runbook) -> Runbook:
    return runbook.feature("1.feature", CHANGING, NEEDING)


def refusal(ran: Ran) -> str:
    """Check that the run was refused. Return its only error line."""
    errors = [line for line in ran.lines if line.startswith("ERROR: ")]
    assert ran.exit_code == 4, ran.terminal
    assert len(errors) == 1, ran.terminal
    assert "Traceback" not in ran.terminal
    assert "→" in errors[0]
    return errors[0]


def without_settings(runbook: Runbook) -> None:
    (runbook.folder / "runbook.toml").unlink()


def with_unknown_key(runbook: Runbook) -> None:
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace("check_path", "chek_path"))


def with_wrong_type(runbook: Runbook) -> None:
    settings = runbook.folder / "runbook.toml"
    settings.write_text(settings.read_text().replace('name = "shop"', "name = 7", 1))


def brought_down(runbook: Runbook) -> None:
    (runbook.folder / "down").touch()


def without_docker(runbook: Runbook) -> None:
    runbook.search_path = str(runbook.server)


def brought_up_elsewhere(runbook: Runbook) -> None:
    containers = runbook.folder / "containers.json"
    containers.write_text(containers.read_text().replace(str(runbook.server), "/srv/elsewhere"))


def with_reports_for_everybody(runbook: Runbook) -> None:
    (runbook.folder / "reports").mkdir()
    (runbook.folder / "reports").chmod(0o777)


def with_reports_in_the_way(runbook: Runbook) -> None:
    (runbook.folder / "reports").write_text("")


def as_it_is(_runbook: Runbook) -> None:
    """Prepare nothing, because the arguments are the mistake."""


@pytest.mark.parametrize(
    ("prepare", "arguments", "said"),
    [
        pytest.param(without_settings, (), "no settings file at", id="no-settings"),
        pytest.param(with_unknown_key, (), "unknown key; did you mean check_path?", id="unknown-key"),
        pytest.param(with_wrong_type, (), "project.name", id="wrong-type"),
        pytest.param(as_it_is, ("--settings", "none.toml"), "no settings file at none.toml", id="settings-elsewhere"),
        pytest.param(as_it_is, ("--execute", "shp"), "the settings are for the project shop", id="another-name"),
        pytest.param(as_it_is, ("--execute", ""), "the settings are for the project shop", id="empty-name"),
        pytest.param(as_it_is, ("--to", "v1;reboot"), "is not a valid image tag", id="tag-that-is-none"),
        pytest.param(as_it_is, ("--abandon",), "--abandon needs --resume and --execute", id="abandoning-nothing"),
        pytest.param(as_it_is, ("--abandon", "-m", "emergency"), "--abandon, which", id="abandon-and-a-mark"),
        pytest.param(as_it_is, ("-m", "abandon"), "with --abandon, which selects its", id="abandon-as-a-mark"),
        pytest.param(brought_down, (), "is not running on this host (running projects: other-project)", id="down"),
        pytest.param(brought_up_elsewhere, (), "was brought up from /srv/elsewhere", id="brought-up-elsewhere"),
        pytest.param(without_docker, (), "could not be started", id="no-docker"),
        pytest.param(with_reports_for_everybody, (), "is writable by everyone", id="reports-for-everybody"),
        pytest.param(with_reports_in_the_way, (), "cannot create the folder of records", id="reports-in-the-way"),
    ],
)
def test_run_is_refused_in_one_line(
    runbook: Runbook, prepare: Callable[[Runbook], None], arguments: tuple[str, ...], said: str
) -> None:
    """A run that cannot begin is refused in one line, leaves no record and changes nothing."""
    prepare(project(runbook))
    execute = () if "--execute" in arguments else ("--execute", "shop")
    assert said in refusal(runbook.run("features", *execute, *arguments))
    assert runbook.records == []
    assert not (runbook.server / "made").exists()


def test_need_that_each_strategy_provides_names_all_that_would_do(runbook: Runbook) -> None:
    """The refusal names the providers for all strategies, because the strategy is not known at the selection."""
    runbook.feature(
        "1.feature",
        scenario("Images", "Then all is well", tags="@strategy:image-only @provides:begun"),
        scenario(
            "Schema",
            "Then all is well",
            tags="@strategy:bridge @strategy:downgrade @strategy:forward-fix @provides:begun",
        ),
        scenario("Needing", "Then all is well", tags="@needs:begun"),
    )
    assert "'Needing' needs 'Images' or 'Schema'" in refusal(runbook.run("features", "-k", "Needing"))


def test_plan_is_refused_like_an_execution(runbook: Runbook) -> None:
    """A plan that could not be carried out is refused like its execution."""
    said = refusal(project(runbook).run("features", "-k", "Needing", "--to", "v1"))
    assert "'Needing' needs 'Changing'" in said
    assert said.endswith("pytest features --to v1")
    assert runbook.records == []


def test_settings_are_read_before_anything_is_asked(runbook: Runbook) -> None:
    """A mistake in the settings is reported before production's host is asked anything."""
    with_unknown_key(project(runbook))
    refusal(runbook.run("features", "--execute", "shop"))
    assert runbook.asked_of_docker == []


def test_execute_belongs_to_features(runbook: Runbook) -> None:
    """--execute without feature files is refused: a bare `pytest` never reaches production."""
    (runbook.folder / "tests").mkdir()
    (runbook.folder / "tests" / "test_x.py").write_text("def test_x():\n    pass\n")
    project(runbook)
    assert "pytest features --execute shop" in refusal(runbook.run("tests", "--execute", "shop"))
    assert runbook.asked_of_docker == []


def test_nothing_selected_is_no_success(runbook: Runbook) -> None:
    """A selection that matches nothing says so, exits with 5 and leaves no record."""
    ran = project(runbook).run("features", "-k", "Nonsense")
    assert ran.exit_code == 5
    assert "NOTHING SELECTED" in ran.terminal
    assert ran.folder is None
    assert runbook.asked_of_docker == []


def test_refusal_does_not_show_a_secret(runbook: Runbook) -> None:
    """Known secrets are redacted in the host's answer that a refusal shows."""
    said_by_engine = 500, {"message": "cannot connect with ticket-canary"}
    runbook.engine.instead = lambda path: None if path == "/version" else said_by_engine
    said = refusal(project(runbook).run("features"))
    assert "ticket-canary" not in said
    assert "cannot connect with [secret" in said
