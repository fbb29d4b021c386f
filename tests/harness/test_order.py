"""The order of scenarios: plugins and options that shuffle, repeat, distribute or skip them are refused."""

import pytest

from tests.harness.inner import Ran, Runbook, scenario

FIRST = scenario("First", "When a file is made", tags="@provides:first")
SECOND = scenario("Second", "Then all is well", tags="@needs:first")
EXECUTE = ("features", "--execute", "shop")


def project(runbook: Runbook) -> Runbook:
    return runbook.feature("1.feature", FIRST, SECOND)


def refusal(ran: Ran) -> str:
    """Check that the run was refused without a record. Return its error lines."""
    assert ran.exit_code == 4, ran.terminal
    assert ran.folder is None
    assert "Traceback" not in ran.terminal
    return "\n".join(line for line in ran.lines if line.startswith("ERROR: "))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("-p", "xdist", "-n", "2"), "-n, --tx: a runbook runs each scenario once, in order", id="xdist"),
        pytest.param(("-p", "xdist", "--tx", "2*popen"), "--tx: a runbook", id="xdist-tx"),
        pytest.param(("-p", "xdist", "--dist", "each"), "--dist: a runbook", id="xdist-dist"),
        pytest.param(("-p", "randomly"), "pytest-randomly shuffles", id="randomly"),
        pytest.param(("-p", "rerunfailures", "--reruns", "2"), "--reruns: a runbook", id="rerunfailures"),
        pytest.param(("--lf",), "--lf: a runbook", id="last-failed"),
        pytest.param(("--ff",), "--ff: a runbook", id="failed-first"),
        pytest.param(("--nf",), "--nf: a runbook", id="new-first"),
        pytest.param(("--sw",), "--sw: a runbook", id="stepwise"),
    ],
)
def test_options_that_take_the_order_away_are_refused(runbook: Runbook, arguments: tuple[str, ...], said: str) -> None:
    """Each option is refused by its name, and production is asked nothing."""
    assert said in refusal(project(runbook).run(*EXECUTE, *arguments))
    assert runbook.asked_of_docker == []
    assert runbook.records == []


REVERSING = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    yield
    items.reverse()
"""
DOUBLING = REVERSING.replace("items.reverse()", "items.extend(items[:1])")
PARAMETRIZING = """
import pytest

@pytest.fixture(autouse=True)
def again(request):
    return request.param

def pytest_generate_tests(metafunc):
    metafunc.parametrize("again", range(2), indirect=True)
"""


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        pytest.param(REVERSING, "a plugin changed the order of the scenarios", id="reversed"),
        pytest.param(DOUBLING, "a plugin repeats scenarios", id="doubled"),
        pytest.param(PARAMETRIZING, "a plugin repeats scenarios", id="parametrized"),
    ],
)
def test_other_order_is_refused_whoever_made_it(runbook: Runbook, plugin: str, said: str) -> None:
    """A plugin that reorders or repeats scenarios is refused before anything runs, even if it is unknown."""
    (project(runbook).folder / "meddling.py").write_text(plugin)
    assert said in refusal(runbook.run(*EXECUTE, "-p", "meddling"))
    assert runbook.asked_of_docker == []


def test_harmless_plugins_are_let_be(runbook: Runbook) -> None:
    """An active plugin that does not change the order does not stop a rollback."""
    ran = project(runbook).run(*EXECUTE, "-p", "randomly", "--randomly-dont-reorganize", "-p", "xdist", "-n", "0")
    assert ran.exit_code == 0, ran.terminal
    assert ran.scenarios == {"First": "passed", "Second": "passed"}


def test_tests_do_not_run_among_scenarios(runbook: Runbook) -> None:
    """A Python test named with the features is refused, because it would not be on record."""
    (project(runbook).folder / "test_x.py").write_text("def test_x():\n    pass\n")
    assert "test_x.py::test_x is not a scenario" in refusal(runbook.run("features", "test_x.py"))


def test_own_tests_may_be_shuffled(runbook: Runbook) -> None:
    """The project's own tests may be shuffled and repeated by plugins."""
    (runbook.folder / "tests").mkdir()
    (runbook.folder / "tests" / "test_x.py").write_text("def test_x():\n    pass\n")
    ran = project(runbook).run("-p", "randomly", "-p", "rerunfailures", "--reruns", "1")
    assert ran.exit_code == 0, ran.terminal
    assert "1 passed" in ran.terminal
