"""Exit code 0 means that the checks ran: an execution or validation that would leave some out is refused."""

import pytest

from tests.harness.inner import Ran, Runbook, scenario
from tests.harness.test_refusals import refusal

FIRST = scenario("First", "When a file is made", tags="@provides:first")
SECOND = scenario("Second", "Then all is well", tags="@after:first")
CHECKED = scenario("Checked", "Then all is well", tags="@post_deploy")
ALSO = scenario("Also checked", "Then all is well", tags="@post_deploy")
SWITCHED = scenario("Switched", "When a message is sent", tags="@emergency")
EXECUTE = ("--execute", "shop")
VALIDATE = ("-m", "post_deploy")
EMERGENCY = ("-m", "emergency", *EXECUTE)


def project(runbook: Runbook) -> Runbook:
    return runbook.feature("1.feature", FIRST, SECOND).feature("2.feature", CHECKED, ALSO, SWITCHED)


def untouched(runbook: Runbook, ran: Ran) -> bool:
    return ran.folder is None and runbook.records == [] and not (runbook.server / "made").exists()


@pytest.mark.parametrize(
    ("paths", "arguments"),
    [
        pytest.param(("features",), (*EXECUTE, "-k", "First"), id="-k"),
        pytest.param(("features",), (*EXECUTE, "-k", "Nonsense"), id="-k-nothing"),
        pytest.param(("features",), (*EXECUTE, "-m", "emergency", "-k", "not Switched"), id="emergency"),
        pytest.param(("features",), (*EXECUTE, "--deselect", "features/1.feature::Second"), id="--deselect"),
        pytest.param(("features",), (*EXECUTE, "--ignore", "features/1.feature"), id="--ignore"),
        pytest.param(("features",), (*EXECUTE, "--ignore-glob", "*1.feature"), id="--ignore-glob"),
        pytest.param(("features/1.feature::First",), EXECUTE, id="node-id"),
        pytest.param(("features/2.feature",), EXECUTE, id="one-file"),
        pytest.param(("features",), (*VALIDATE, "-k", "Also"), id="validation-k"),
        pytest.param(("features/2.feature::Checked",), VALIDATE, id="validation-node-id"),
    ],
)
def test_part_of_the_whole_is_refused(runbook: Runbook, paths: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    """An execution or validation of a part is refused, with the scenarios left out and the full command."""
    ran = project(runbook).run(*paths, *arguments)
    said = refusal(ran)
    assert "would be left out" in said
    assert untouched(runbook, ran)
    whole = said.rpartition(" → type ")[2].split()[1:]
    assert runbook.run(*whole).exit_code == 0


def test_plan_may_be_one_of_a_part(runbook: Runbook) -> None:
    """A plan of a part is allowed, because it changes nothing."""
    assert project(runbook).run("features", "-k", "First").scenarios == {"First": "planned"}


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        *((EXECUTE, flag) for flag in ("--co", "--fixtures", "--fixtures-per-test", "--setup-plan", "--setup-only")),
        (VALIDATE, "--co"),
        (VALIDATE, "--markers"),
        (EMERGENCY, "--help"),
    ],
)
def test_option_that_runs_nothing_is_refused(runbook: Runbook, asked: tuple[str, ...], option: str) -> None:
    """Options that only show something are refused together with an execution or a validation."""
    ran = project(runbook).run("features", *asked, option)
    assert "it runs nothing" in refusal(ran)
    assert untouched(runbook, ran)


@pytest.mark.parametrize("options", ["--co", "--setup-plan", "--version", "-k Nonsense", "--markers"])
def test_option_from_the_environment_is_no_exception(runbook: Runbook, options: str) -> None:
    """An option in PYTEST_ADDOPTS that would leave out scenarios is refused, or the change is made all the same."""
    ran = project(runbook).run("features", *EXECUTE, environment={"PYTEST_ADDOPTS": options})
    assert ran.exit_code == 4 or (runbook.server / "made").exists(), ran.terminal


def test_help_in_front_is_refused_too(runbook: Runbook) -> None:
    """`--help` before --execute is refused too, although pytest does not read the options after it."""
    assert "it runs nothing" in refusal(project(runbook).run("--help", "features", *EXECUTE))
    assert "it runs nothing" in refusal(runbook.run("--help", "features", "--execute=shop"))


@pytest.mark.parametrize(
    "name",
    [
        "harness.options",
        "harness.collection.order",
        "harness.collection.guards",
        "harness.collection.nothing_run",
        "harness.session.lifecycle",
        "harness.session.reporting",
        "harness.session.step_hooks",
        "harness.html.page",
        "harness.html.index_hook",
        "pytest-bdd",
        "html",
        "terminal",
        "capture",
    ],
)
def test_run_without_a_plugin_that_it_needs_is_never_green(runbook: Runbook, name: str) -> None:
    """Without one of our plugins, or of those that ours need (`-p no:`), nothing changes and the exit code is not 0.

    Without `harness.options` pytest does not know --execute, and reports that itself.
    """
    asked = VALIDATE if name in ("harness.session.step_hooks", "harness.options") else EXECUTE
    ran = project(runbook).run("features", *asked, "-p", f"no:{name}")
    assert ran.exit_code != 0, ran.terminal
    assert not (runbook.server / "made").exists()
    if name not in ("harness.options", "pytest-bdd"):
        assert ran.exit_code == 4, ran.terminal


def test_plugin_that_keeps_pytest_from_running_is_found(runbook: Runbook) -> None:
    """If a plugin ends pytest with 0 before an execution begins, the exit code is 4."""
    plugin = "def pytest_cmdline_main():\n    return 0"
    (project(runbook).folder / "idle.py").write_text(plugin)
    assert "but nothing ran: " in refusal(runbook.run("features", *EXECUTE, "-p", "idle"))
    assert runbook.run("features", "-p", "idle").exit_code == 0
