"""The live view on a real terminal: it is redrawn, it marks changes to production, and it is erased in the end."""

import contextlib
import os
import pty
import re
import sys
import threading

import pytest

from harness.terminal import live
from harness.terminal.live_state import LiveState
from harness.terminal.screen import Style
from runbook.journal.availability import Availability
from tests.harness.inner import CANARY, Runbook, scenario
from tests.harness.terminal import HIDE_CURSOR, SHOW_CURSOR, on_terminal, screen_after

EXECUTE = ("features", "--execute", "shop")
LONG = scenario("Long", "When a long command is run", "Then all is well")
CHANGING = scenario("Changing", "When a file is made", "Then all is well")
WORDY = "a step that goes on and on until it does not fit on a line of a narrow terminal"
SLOW = f"""

@given("{WORDY}")
def wordy(context):
    context.incident.record_fact("schema", ["many"])

"""
SLOW += """

@then("it becomes well in a while")
def well_in_a_while(context):
    began = time.monotonic()

    def look():
        return Observation(ok=time.monotonic() - began > 1.2, seen="it is well with " + CANARY)

    return Check("all well with " + CANARY, look, "look by hand", deadline=20, interval=0.1)


@when("images are fetched")
def fetched(context) -> Action:
    lines = ["aaaaaaaaaaaa Downloading [=>  ]  2.5MB/10MB", "bbbbbbbbbbbb Pull complete"]
    script = "".join(f"echo '{line}' >&2; " for line in lines) + "sleep 1"
    command = Command(("sh", "-c", script), 30, streams_progress=True)
    change = Action(ActionName.FETCH_IMAGES, "images are fetched", (command,), scope=Scope.IMAGES)
    return change
"""


@pytest.fixture
def slow(runbook: Runbook) -> Runbook:
    """The runbook with steps that take a moment."""
    with (runbook.folder / "steps.py").open("a") as file:
        file.write(SLOW)
    return runbook


def test_elapsed_time_moves_against_the_deadline(slow: Runbook) -> None:
    """While a step runs, its elapsed time is redrawn, with its deadline and the expected state."""
    slow.feature("1.feature", scenario("Slow", "Given the metrics are at hand", "Then it becomes well in a while"))
    with on_terminal(slow, *EXECUTE) as terminal:
        assert terminal.finish() == 0, terminal.text
    shown = re.findall(r"(\d\.\d) s of 20 s", terminal.text)
    assert len(set(shown)) >= 4
    assert sorted(shown) == shown
    assert "expecting all well with [secret METRICS_TOKEN]" in terminal.text
    assert "canary" not in terminal.written
    assert CANARY not in terminal.written


def test_change_to_production_is_marked(runbook: Runbook) -> None:
    """While production is being changed, the view says so in words and with a sign, and shows the command."""
    with on_terminal(runbook.feature("1.feature", LONG), *EXECUTE) as terminal:
        terminal.until("PRODUCTION IS BEING CHANGED")
        terminal.until("s of 50 s")
        terminal.until("▲ now     When  a long command is run")
        terminal.until("$ sh -c 'echo $$ > pid; sleep 60'")


def test_finished_steps_stay(runbook: Runbook) -> None:
    """Each finished step keeps a line, and the last line is the record's path."""
    with on_terminal(runbook.feature("1.feature", CHANGING), *EXECUTE, "-v") as terminal:
        assert terminal.finish() == 0
    assert "▲ CHANGED When  a file is made" in terminal.text
    assert "ok      Then  all is well" in terminal.text
    assert terminal.text.splitlines()[-1] == str(runbook.records[-1] / "record.html")


def test_no_finished_line_is_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """All finished lines stay, and nothing else does, however the live part grows and shrinks."""
    monkeypatch.setattr(live, "_DRAW_EVERY", 0.0)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    controller, terminal = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(controller, 65536):
                written.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    now = LiveState()
    view = live.LiveView(os.fdopen(terminal, "w"), now, lambda: Availability("http://x/"), colour=True)
    view.start()
    told = [f"line {number}" for number in range(300)]
    for number, line in enumerate(told):
        now.step = "" if number % 3 else "a step"
        now.doing = "" if number % 2 else "something"
        view.line([(line, Style.GOOD)])
    view.stop()
    sys.setswitchinterval(before)
    reader.join()
    os.close(controller)
    shown = screen_after(b"".join(written).decode())
    assert [line for line in shown if line] == told


def test_pull_is_shown_by_layer(slow: Runbook) -> None:
    """While images are pulled, each unfinished layer is shown with its progress."""
    slow.feature("1.feature", scenario("Fetch", "When images are fetched"))
    with on_terminal(slow, *EXECUTE, "-v") as terminal:
        assert terminal.finish() == 0
    assert "1 of 2 layers are on the host" in terminal.text
    assert re.search(r"aaaaaaaaaaaa  Downloading +2\.5 of 10\.0 MB", terminal.text)
    assert "done    When  images are fetched" in terminal.text


def test_public_address_is_shown(runbook: Runbook) -> None:
    """If the public address does not answer, the view shows DOWN and crosses, and the last lines count the probes."""
    with on_terminal(runbook.feature("1.feature", LONG), *EXECUTE) as terminal:
        terminal.until("DOWN (no answer)")
        terminal.until("\N{MULTIPLICATION SIGN}")
        terminal.interrupt()
        terminal.finish()
    told = r"answered 0 of \d+ probes well; it is DOWN now; users were without service"
    assert re.search(told, terminal.text), terminal.text


def test_ctrl_c_leaves_the_terminal_as_it_was(runbook: Runbook) -> None:
    """After Ctrl-C during a change the cursor is shown again, and only the last lines follow."""
    with on_terminal(runbook.feature("1.feature", LONG), *EXECUTE) as terminal:
        terminal.until("PRODUCTION IS BEING CHANGED")
        assert terminal.written.count(HIDE_CURSOR) == 1
        terminal.interrupt()
        assert terminal.finish() == 2
    before, _, after = terminal.written.rpartition(SHOW_CURSOR)
    assert HIDE_CURSOR in before
    assert HIDE_CURSOR not in after
    assert "now     " not in after
    assert "▲ STOPPED When  a long command is run" in terminal.text
    assert terminal.text.splitlines()[-1] == str(runbook.records[-1] / "record.html")


def test_error_in_a_hook_leaves_the_terminal_as_it_was(runbook: Runbook) -> None:
    """If a hook ends pytest with an error, the cursor is shown again."""
    with (runbook.folder / "conftest.py").open("a") as file:
        file.write("\n\ndef pytest_runtest_teardown(item):\n    raise SystemExit(7)\n")
    with on_terminal(runbook.feature("1.feature", CHANGING), *EXECUTE) as terminal:
        assert terminal.finish() != 0
    _, _, after = terminal.written.rpartition(SHOW_CURSOR)
    assert SHOW_CURSOR in terminal.written
    assert HIDE_CURSOR not in after


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        pytest.param(("--no-color",), {}, id="no-color"),
        pytest.param(("--color=no",), {}, id="color-no"),
        pytest.param((), {"NO_COLOR": "1"}, id="NO_COLOR"),
    ],
)
def test_live_view_without_colour(runbook: Runbook, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    """Without colours the live view is still drawn, with signs and words."""
    runbook.feature("1.feature", CHANGING)
    with on_terminal(runbook, *EXECUTE, *arguments, environment=environment) as terminal:
        assert terminal.finish() == 0
    assert HIDE_CURSOR in terminal.written
    assert not re.search(r"\x1b\[[0-9;]*m", terminal.written.replace("\x1b[0m", ""))
    assert "▲ CHANGED When  a file is made" in terminal.text


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        pytest.param((), {"CI": "true"}, id="in-CI"),
        pytest.param((), {"TERM": "dumb"}, id="dumb-terminal"),
        pytest.param(("-s",), {"NO_COLOR": "1"}, id="nothing-is-captured"),
    ],
)
def test_no_live_view_where_it_would_do_harm(
    runbook: Runbook, arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    """In CI, on a dumb terminal and with -s only plain lines are printed."""
    runbook.feature("1.feature", CHANGING)
    with on_terminal(runbook, *EXECUTE, *arguments, environment=environment) as terminal:
        assert terminal.finish() == 0
    assert "\x1b" not in terminal.written
    assert "▲ CHANGED When  a file is made" in terminal.text


def test_narrow_terminal_breaks_between_words(slow: Runbook) -> None:
    """On 60 columns no finished line is longer than 60 characters, and no word of a step is cut."""
    slow.feature("1.feature", scenario("Narrow", f"Given {WORDY}"))
    with on_terminal(slow, "features", "-v", columns=60) as terminal:
        assert terminal.finish() == 0
    step = terminal.text[terminal.text.rindex(" ok ") - 14 : terminal.text.rindex("1 passed")]
    drawn = ("shop · ", "\N{BOX DRAWINGS LIGHT HORIZONTAL}", "public address", "====")
    finished = [line for line in step.splitlines() if line.strip() and not line.lstrip().startswith(drawn)]
    assert max(map(len, finished)) <= 60
    assert f"Given {WORDY}" in " ".join(" ".join(finished).split())


def test_long_step_keeps_its_seconds(slow: Runbook) -> None:
    """On 80 columns a step that needs two lines shows its seconds at the end of the first."""
    slow.feature("1.feature", scenario("Long", f"Given {WORDY}"))
    with on_terminal(slow, "features", "-v", columns=80) as terminal:
        assert terminal.finish() == 0
    assert re.search(r" ok      Given a step that goes on and on until it does +\d\.\d s\r", terminal.text)
