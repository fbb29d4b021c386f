"""The image probe without an image: its syntax, its loader, its robustness, and the validation of its answer."""

import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import CommandTimedOut, Inconclusive
from runbook.hosts.command import Command, Completed
from runbook.hosts.local import LocalHost
from runbook.migrations.image import probe as image_probe
from runbook.migrations.image.inside import isolation
from runbook.migrations.image.inside.function_shapes import shape_of
from runbook.migrations.image.inside.graph import between
from runbook.migrations.image.inside.isolation import ProbeError
from runbook.migrations.image.probe import ImageReport, ask_image, probing, read_report
from runbook.migrations.image.report import to_json
from runbook.settings.database import MigrationSettings
from tests.support.parts import Heard

FOLDER = Path(image_probe.__file__).parent
SENT = [FOLDER / "script.py", *sorted((FOLDER / "inside").glob("*.py"))]
DIGEST = "registry.example/shop/api@sha256:" + "0" * 64


def run(command: Command) -> tuple[str, dict[str, Any]]:
    """Run a probe with this machine's Python, which has no Alembic; return the line's marker and the answer."""
    done = subprocess.run([sys.executable, "-"], input=command.stdin, capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    marker, _, answer = done.stdout.decode().strip().partition(" ")
    return marker, json.loads(answer)


def probe(**changes: Any) -> Command:
    given: dict[str, Any] = {"environment": {}, "span": None, "deadline": 30}
    return probing(DIGEST, MigrationSettings(), now=0.0, **(given | changes))[0]


@pytest.mark.parametrize("path", SENT, ids=lambda path: path.name)
def test_what_is_sent_is_python_3_8(path: Path) -> None:
    """The code that is sent runs on Python 3.8, in its syntax and its type hints."""
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    hints = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert hints or not any(isinstance(node, ast.FunctionDef) for node in ast.walk(tree))


def test_everything_that_is_needed_is_sent() -> None:
    """The loader has every part, and each part can import the ones before it."""
    parts = {f"{path.parent.name}.{path.stem}".removeprefix("image.") for path in SENT} - {"inside.__init__"}
    assert set(image_probe._PARTS) == parts
    _, answer = run(probe())
    assert "cannot import Alembic" in answer["problems"][0]["why"]


def test_names_of_the_parts_are_gone_when_they_run() -> None:
    """The parts are removed from `sys.modules`, because an application may have its own package `runbook`."""
    program = probe().stdin
    assert program is not None
    spied = program.replace(
        b"module.main(", b"print([name for name in sys.modules if 'runbook' in name]);(lambda _: 0)("
    )
    done = subprocess.run([sys.executable, "-"], input=spied, capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"[]"


def test_request_survives_any_value() -> None:
    """Quotes, backslashes, braces, line ends and non-ASCII characters in the environment arrive unchanged."""
    nasty = "'\"\\ {sent} %s \n\r\t \N{SNOWMAN} \N{GRINNING FACE}"
    program = probe(environment={"NASTY": nasty}).stdin
    assert program is not None
    spied = program.replace(b"module.main(sent[", b"print(ascii(sent[").replace(b'"request"])', b'"request"]))')
    done = subprocess.run([sys.executable, "-"], input=spied, capture_output=True, check=True, timeout=60)
    assert ast.literal_eval(done.stdout.decode())["environment"] == {"NASTY": nasty}


def test_secrets_and_network_stay_out() -> None:
    """The container has no network, few rights and a unique name, and no environment value on the command line."""
    command = probe(environment={"PASSWORD": "open-sesame-9"})
    words = " ".join(command.argv)
    assert "open-sesame-9" not in words
    assert command.secret_output
    for option in ("--rm", "--network none", "--pull never", "--cap-drop ALL", "--log-driver none", "--read-only"):
        assert option in words
    assert "--memory 1g --memory-swap 1g --cpus 1 --pids-limit 256" in words
    assert "--cap-add" not in words
    assert "--user" not in words
    assert command.most_output == 8 * 1024 * 1024
    assert command.argv[-2:] == (DIGEST, "-")
    assert command.argv[command.argv.index("--name") + 1] != probe().argv[command.argv.index("--name") + 1]


def ask(body: str, seconds: float = 20) -> tuple[dict[str, Any], float]:
    """Answer a question with `body` in a separate Python process; return the answer and the seconds it took."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    program = (
        "import json, os, subprocess, sys, time\n"
        "from runbook.migrations.image.inside.isolation import Fatal, ProbeError, ask\n"
        f"def question():\n{lines}began = time.monotonic()\nfound = ask(question, {seconds})\n"
        "print(json.dumps([found, time.monotonic() - began]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    found, took = json.loads(done.stdout)
    return found, took


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise SystemExit(3)", "it called sys.exit(3)"),
        ("raise ValueError('a\\nb')", "ValueError: a b"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ProbeError('because')", "because"),
        ("os._exit(7)", "it exited with code 7 before it answered"),
        (
            "print('last words', flush=True)\nos._exit(0)",
            "before it answered; its last line was: last words",
        ),
        ("os.kill(os.getpid(), 11)", "it was killed by signal 11"),
        ("return object()", "it exited with code 0 before it answered"),
        ("return 'x' * (9 << 20)", "the answer is longer than 8 MiB"),
    ],
)
def test_code_of_an_image_spoils_only_its_own_answer(body: str, words: str) -> None:
    """However a question's process ends, the asking process continues and reports the reason in one line."""
    found, _ = ask(body)
    assert words in found["why"]


@pytest.mark.parametrize("body", ["time.sleep(100)", "while True: print('again')", "os.close(1)\nwhile True: pass"])
def test_question_that_never_ends_is_stopped(body: str) -> None:
    """A question is stopped at its deadline, even while it prints output."""
    found, took = ask(body, seconds=1)
    assert found["why"].startswith("it did not end within 1 s")
    assert took < 10


@pytest.mark.parametrize(
    "body",
    [
        "os.fork()\nreturn 1",
        "print('{\"answer\": 666}')\nos.system('echo 666')\nreturn 1",
        "subprocess.Popen(['sleep', '3'], start_new_session=True)\nreturn 1",
        "os.write(2, b'\\xff' * 1000000)\nreturn 1",
        "sys.stdout = sys.stdin = None\nreturn 1",
    ],
)
def test_answer_is_what_was_returned(body: str) -> None:
    """Forks, printed lines, leftover processes and closed files neither change the answer nor delay it."""
    found, took = ask(body)
    assert found == {"answer": 1}
    assert took < 3 or "sleep" not in body


def test_fatal_reasons_are_marked() -> None:
    """A reason after which no other question makes sense is marked fatal."""
    assert ask("raise Fatal('no Alembic')")[0] == {"why": "no Alembic", "fatal": True, "read_only": False}
    assert ask("raise ProbeError('no')")[0]["fatal"] is False


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ("pass", "empty"),
        ("...", "empty"),
        ("'''words'''", "empty"),
        ("return", "empty"),
        ("return None", "empty"),
        ("'''words'''\npass", "empty"),
        ("print('nothing')", "empty"),
        ("logger.info('nothing')", "empty"),
        ("import os\nx = 1", "empty"),
        ("if False:\n    op.drop_table('a')", "empty"),
        ("return\nop.drop_table('a')", "empty"),
        ("for x in y:\n    pass", "empty"),
        ("raise NotImplementedError", "raises"),
        ("'''no'''\nraise NotImplementedError('no')", "raises"),
        ("op.drop_table('a')\nraise RuntimeError", "raises"),
        ("assert False, 'no'", "raises"),
        ("if x:\n    raise A\nelse:\n    raise B", "raises"),
        ("with x:\n    raise A", "raises"),
        ("try:\n    raise A\nexcept B:\n    raise", "raises"),
        ("if True:\n    raise A\nop.drop_table('a')", "raises"),
        ("op.drop_table('a')", "real"),
        ("with op.batch_alter_table('a') as batch_op:\n    batch_op.drop_column('b')", "real"),
        ("for name in names:\n    op.drop_table(name)", "real"),
        ("try:\n    op.drop_table('a')\nexcept E:\n    pass", "real"),
        ("bind = op.get_bind()\nbind.execute(x)", "real"),
        ("if x:\n    op.drop_table('a')\nelse:\n    op.drop_table('b')", "real"),
        ("if x:\n    op.drop_table('a')", "conditional"),
        ("if x:\n    return\nop.drop_table('a')", "conditional"),
        ("if x:\n    raise A\nop.drop_table('a')", "conditional"),
        ("if x:\n    raise A", "conditional"),
        ("assert x\nop.drop_table('a')", "conditional"),
        ("try:\n    raise A\nexcept A:\n    pass", "conditional"),
        ("while x:\n    op.drop_table('a')", "conditional"),
    ],
)
def test_shape_of_a_function(body: str, shape: str) -> None:
    """The shape of a function is read from its source: empty, raises, real or conditional."""
    tree = ast.parse("def downgrade():\n" + "".join(f"    {line}\n" for line in body.splitlines()))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert shape_of(function, tree)["shape"] == shape


def test_operations_are_found_in_helpers_too() -> None:
    """A function's operations include those of the functions in its file that it calls."""
    tree = ast.parse(
        "def downgrade():\n    first()\ndef first():\n    second()\n    first()\n"
        "def second():\n    op.drop_table('a')\n    context.is_offline_mode()\ndef other():\n    op.get_bind()\n"
    )
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    assert shape_of(function, tree) == {
        "shape": "real",
        "operations": ["drop_table"],
        "reads_database": False,
        "differs_offline": True,
        "counts_rows": False,
        "sql": None,
    }


#: Newest first: m merges a2 and b1, which both build on a1; c1 is separate and depends on a1.
UPON = {"m": ["a2", "b1"], "b1": ["a1"], "a2": ["a1"], "c1": ["a1"], "a1": []}


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ("a1", "m", ["m", "b1", "a2"]),
        ("a2", "m", ["m", "b1"]),
        ("base", "a2", ["a2", "a1"]),
        ("m", "m", []),
        ("a1", "c1", ["c1"]),
    ],
)
def test_range_is_all_that_was_built_since(lower: str, upper: str, expected: list[str]) -> None:
    """The range has the revisions that the upper one needs and the lower one does not."""
    assert between(UPON, lower, upper) == expected


@pytest.mark.parametrize(("lower", "upper"), [("x", "m"), ("a1", "x"), ("m", "a1"), ("a2", "b1"), ("a1", "base")])
def test_no_range_is_no_guess(lower: str, upper: str) -> None:
    """Unknown revisions, a reversed range and side branches raise ProbeError."""
    with pytest.raises(ProbeError):
        between(UPON, lower, upper)


def revision(name: str, down: list[str]) -> dict[str, Any]:
    return {"revision": name, "down": down, "depends_on": [], "labels": [], "title": "", "file": f"{name}.py"}


def answered(upon: dict[str, list[str]], heads: list[str]) -> dict[str, Any]:
    revisions = [revision(name, down) for name, down in upon.items()]
    return {"graph": {"versions": {}, "heads": heads, "bases": [], "revisions": revisions}, "problems": []}


def image(heads: tuple[str, ...] = ("m", "c1"), upon: dict[str, list[str]] | None = None) -> ImageReport:
    return read_report(json.dumps(answered(UPON if upon is None else upon, list(heads))))


def test_continuing_needs_one_head_above_every_revision() -> None:
    """A forward-fix continues the database if `alembic upgrade head` can start at its current revisions."""
    line = {"3": ["2"], "2": ["1"], "1": []}
    fix = image(("3",), line)
    assert fix.continues("2")
    assert fix.continues("3"), "a fix without a migration of its own"
    assert fix.continues("1", "2")
    assert not fix.continues("4")
    assert not fix.continues("2", "4")
    assert not fix.continues()
    assert not image().continues("a1"), "two heads"


def test_answer_without_a_graph_answers_nothing() -> None:
    """Questions that need the graph raise Inconclusive if the report has none."""
    none = read_report('{"problems": [{"what": "graph", "why": "no Alembic"}]}')
    for question in (lambda: none.heads, lambda: none.knows("1"), lambda: none.continues("1"), lambda: none.steps):
        with pytest.raises(Inconclusive, match=r"no Alembic|gave no reason"):
            question()


def test_answer_goes_through_the_journal_and_back() -> None:
    """A report that is written as JSON and read back is equal."""
    found = image()
    assert read_report(json.dumps(to_json(found))) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        '{"graph": 1}',
        '{"surprise": 1}',
        '{"problems": [{"what": "graph", "why": 7}]}',
        json.dumps({"problems": [{"what": "graph", "why": "x" * 5000}]}),
        json.dumps(answered({"1": ["2"]}, ["1"])),
        json.dumps(answered({"1": []}, ["2"])),
        json.dumps(answered({"--help": []}, [])),
        json.dumps(answered({"1; rm": []}, [])),
        json.dumps(answered({"1\n": []}, [])),
        json.dumps(answered({"x" * 300: []}, [])),
        json.dumps({"models": {"tables": [{"schema": None, "name": "t", "columns": [{"name": "c"}]}]}}),
        json.dumps({"upgrade": {"sql": "x" * (3 << 20), "bodies": {}}}),
        json.dumps({"span": {"lower": "1", "upper": "2", "steps": [{"revision": "2", "upgrade": {}}]}}),
    ],
    ids=range(17),
)
def test_hostile_answers_are_refused(text: str) -> None:
    """A report in an unexpected form is refused as a whole, with one short line."""
    with pytest.raises(ValueError, match=r"^[^\n]{1,200}$"):
        read_report(text)


class Answering(LocalHost):
    """A host on which the image prints a test's output, with MARKER replaced by the requested marker."""

    def __init__(self, output: str, exit_code: int = 0) -> None:
        super().__init__({}, Heard())
        self.output, self.exit_code = output, exit_code
        self.ran: list[Command] = []

    def run(self, command: Command) -> Completed:
        self.ran.append(command)
        marker = re.search(rb'\\"marker\\": \\"(\w+)|"marker": "(\w+)', command.stdin or b"")
        found = next(filter(None, marker.groups()), b"").decode() if marker else ""
        if self.output == "never" and (command.stdin or self.exit_code == -1):
            raise CommandTimedOut("too late", "wait")
        return Completed(command, self.exit_code, self.output.replace("MARKER", found).encode(), b"no such thing", 0.1)


def asked(host: LocalHost) -> ImageReport:
    return ask_image(host, DIGEST, MigrationSettings(), environment={}, span=None, deadline=5)


GOOD = json.dumps(answered({"1": []}, ["1"]))


def test_only_the_marked_line_is_an_answer() -> None:
    """Only the line with the marker is read; complete answers without it are ignored."""
    assert asked(Answering(f"{GOOD}\nnoise\nMARKER {GOOD}\n0123 {GOOD}\n")).heads == ("1",)


@pytest.mark.parametrize(
    ("output", "exit_code"),
    [(GOOD, 0), ("", 0), (f"MARKER {GOOD}\nMARKER {GOOD}\n", 0), (f"MARKER {GOOD}\n", 1), ("MARKER nonsense\n", 0)],
)
def test_anything_else_is_inconclusive(output: str, exit_code: int) -> None:
    """No marked line, two of them, a bad exit code or an invalid answer is inconclusive."""
    with pytest.raises(Inconclusive):
        asked(Answering(output, exit_code))


def test_image_that_writes_where_it_lies_is_asked_again() -> None:
    """Only an image that needs a writable file system is run again with one; all other limits stay."""
    host = Answering(f"MARKER {GOOD}\n", os.EX_CANTCREAT)
    with pytest.raises(Inconclusive):
        asked(host)
    first, second = (command.argv for command in host.ran)
    assert set(first) - set(second) == {"--read-only", "--tmpfs", *(word for word in first if ":rw," in word)}
    assert set(second) <= set(first)


def test_file_system_that_cannot_be_written_is_told() -> None:
    """An answer says that a read-only file system caused the error, even if other code handled that error."""
    body = "try:\n    raise OSError(30, 'x')\nexcept OSError:\n    raise ValueError('no log')"
    assert ask(body)[0]["read_only"]


def test_container_is_removed_after_the_deadline() -> None:
    """The container is removed by name after a timeout, because it outlives docker's client."""
    host = Answering("never")
    with pytest.raises(Inconclusive, match="within 5 s"):
        asked(host)
    began, removed = host.ran
    name = began.argv[began.argv.index("--name") + 1]
    assert removed.argv == ("docker", "rm", "--force", "--volumes", name)


@pytest.mark.parametrize(
    ("exit_code", "why"), [(-1, "may still be running: too late"), (1, "could not be removed: no such")]
)
def test_container_that_cannot_be_removed_is_said(exit_code: int, why: str) -> None:
    """A container that may be left behind is named in the error, so that a person can remove it."""
    with pytest.raises(Inconclusive, match=rf"its container rollback-runbook-probe-\w+ {why}"):
        asked(Answering("never", exit_code))


def test_reasons_are_short_and_name_the_place() -> None:
    """A reason is short and ends with the file and line in the image's code."""
    try:
        exec(compile("raise ValueError('x' * 9999)", str(Path.cwd() / "app" / "models.py"), "exec"), {})  # noqa: S102
    except ValueError as error:
        words = isolation.reason(error)
    assert len(words) < 500
    assert words.endswith("(app/models.py, line 1)")


def test_time_runs_out_for_all_questions_together() -> None:
    """The script ends before the caller's deadline, however many questions it has."""
    began = time.monotonic()
    run(probe(deadline=1))
    assert time.monotonic() - began < 10
