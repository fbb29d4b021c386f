"""The typed command without some options, whatever their name, value and position."""

import pytest

from harness.compat import OptionKind, known_options
from harness.session.retyped import Typed

KNOWN = {
    **dict.fromkeys(("-n", "--numprocesses"), OptionKind("numprocesses", takes_value=True)),
    **dict.fromkeys(("--lf", "--last-failed"), OptionKind("lf", takes_value=False)),
    **dict.fromkeys(("-v", "--verbose"), OptionKind("verbose", takes_value=False)),
    **dict.fromkeys(("-x", "--exitfirst"), OptionKind("maxfail", takes_value=False)),
    "-k": OptionKind("keyword", takes_value=True),
    "-p": OptionKind("plugins", takes_value=True),
    "--because": OptionKind("because", takes_value=True),
    "--debug": OptionKind("debug", takes_value=True),
    "--override": OptionKind("override", takes_value=True),
}
BY_NAME = ("-n", "--lf", "-k", "--debug")


def typed(*words: str) -> Typed:
    return Typed(("pytest", *words), KNOWN)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        pytest.param(("features", "-n", "4"), "pytest features", id="value-behind"),
        pytest.param(("features", "-n4"), "pytest features", id="value-in-the-word"),
        pytest.param(("features", "-n=4"), "pytest features", id="value-behind-an-equals-sign"),
        pytest.param(("--numprocesses=4", "features"), "pytest features", id="other-name"),
        pytest.param(("--numprocesses", "4", "features"), "pytest features", id="other-name-value-behind"),
        pytest.param(("--lf", "features"), "pytest features", id="flag-before-a-path"),
        pytest.param(("--last-failed", "features"), "pytest features", id="flag-by-its-other-name"),
        pytest.param(("-k", "a b", "features"), "pytest features", id="-k"),
        pytest.param(("-kfirst", "features"), "pytest features", id="-k-in-the-word"),
        pytest.param(("-vn4", "features"), "pytest -v features", id="behind-a-flag-in-one-word"),
        pytest.param(("-xvk", "one", "features"), "pytest -x -v features", id="last-of-a-word"),
        pytest.param(("features", "--debug"), "pytest features", id="value-left-out-at-the-end"),
        pytest.param(("--debug", "-v", "features"), "pytest -v features", id="value-left-out"),
        pytest.param(("-vx", "features", "--because", "a b"), "pytest -vx features --because 'a b'", id="nothing"),
        pytest.param(("-p", "no:xdist", "features"), "pytest -p no:xdist features", id="value-that-is-no-option"),
        pytest.param(("features", "--", "-n"), "pytest features -- -n", id="path-that-looks-like-one"),
        pytest.param(("--because", "-", "features"), "pytest --because - features", id="dash"),
    ],
)
def test_options_are_left_out(words: tuple[str, ...], left: str) -> None:
    """Options are left out with their values; all other words stay as typed."""
    assert str(typed(*words).without(*BY_NAME)) == left


def test_option_is_left_out_where_it_has_a_value() -> None:
    """Of several options with one name, only the one with the given value is left out."""
    words = ("--override", "1.1.1", "--override=1.1.2", "features")
    assert str(typed(*words).without_value("--override", "1.1.2")) == "pytest --override 1.1.1 features"


def test_words_are_added_to_the_options() -> None:
    """Options are added before `--`, because only paths may follow it."""
    assert str(typed("--", "features").plus("-v")) == "pytest -v -- features"


@pytest.mark.parametrize(
    ("environment", "settings", "command"),
    [
        (("-n", "4"), (), "PYTEST_ADDOPTS='' pytest features"),
        (("-v", "-n4", "-k", "a b"), (), "PYTEST_ADDOPTS=-v pytest features"),
        (("-v", "--lf", "-p", "no:x"), (), "PYTEST_ADDOPTS='-v -p no:x' pytest features"),
        (("-v",), ("-v",), "pytest features"),
        ((), ("--lf", "-p", "no:x"), "pytest features -o 'addopts=-p no:x'"),
        (("--lf",), ("--lf",), "PYTEST_ADDOPTS='' pytest features -o addopts="),
    ],
)
def test_options_that_were_not_typed_are_left_out(
    environment: tuple[str, ...], settings: tuple[str, ...], command: str
) -> None:
    """Options from PYTEST_ADDOPTS or `addopts` are removed there; the rest of both stays."""
    found = Typed(("pytest", "features", "-n2"), KNOWN, environment, settings).without(*BY_NAME)
    assert str(found) == command
    assert str(found.saying("pytest features")) == command


def test_options_are_known_by_all_their_names(pytestconfig: pytest.Config) -> None:
    """Parser.optparser._option_string_actions: options are known by each name, and whether they take a value."""
    known = known_options(pytestconfig)
    assert known["--lf"] == known["--last-failed"] == OptionKind("lf", takes_value=False)
    assert known["-k"] == OptionKind("keyword", takes_value=True)
    assert known["--debug"].takes_value
