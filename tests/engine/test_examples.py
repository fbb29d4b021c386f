"""Productions that were not made for this runbook, as a new user: init, doctor, validate, plan, rollback."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from docs.examples.production import EXAMPLES, Raised
from rehearsal.errors import RehearsalError
from runbook.settings.loading.loader import load
from tests.engine.conftest import ROOT, docker
from tests.support.campaigns import campaign
from tests.support.journal_schema import problems

pytestmark = campaign


@dataclass(frozen=True)
class Story:
    """A bad release of an example, the person's decision about it, and the expected final state."""

    name: str
    bad: str
    decides: tuple[str, ...]
    #: The settings that the first plan asks for, in `[migrations]`.
    knows: str = ""
    ends: Callable[[Raised], bool] = lambda _raised: True


def columns(raised: Raised, table: str) -> str:
    """Return the columns of a table of the production."""
    asking = (
        "SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM information_schema.columns WHERE table_name ="
    )
    names = raised.variables
    service, user = ("postgres", "board") if raised.example.name == "flask" else ("db", names["POSTGRES_USER"])
    return raised.compose("exec", "-T", service, "psql", "-U", user, "-d", user, "-Atc", f"{asking} '{table}'").strip()


BECAUSE = ("--because", "tried in this test")
NODE = Story("node", "v7", ("--no-migrations", *BECAUSE))
DJANGO = Story(
    "django", "1.1", ("--verdict", "breaking", *BECAUSE, "--accept-loss", "0001_initial"),
    ends=lambda raised: columns(raised, "shop_order") == "id item",
)  # fmt: skip
FLASK = Story("flask", "2024.2", (), "at_start = false", lambda raised: columns(raised, "message") == "author id text")


@pytest.fixture
def raised(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raised]:
    """The example with its first release live. It is removed at the end."""
    story: Story = request.param
    if story.name == "node" and shutil.which("npm") is None:
        pytest.skip("npm is not here")
    here = Raised(EXAMPLES[story.name], tmp_path_factory.mktemp("examples") / f"{story.name}{uuid.uuid4().hex[:6]}")
    try:
        here.up()
        yield here
    except RehearsalError as error:
        if "PyPI" in error.line:
            pytest.skip(f"PyPI cannot be reached: {error.tail.splitlines()[-1:]}")
        raise
    finally:
        if here.folder.exists():
            here.down()


def typed(raised: Raised, *words: str, code: int) -> str:
    """Run `runbook …` in a folder of the user, with docker's login, and return the output."""
    folder = raised.folder / "operator"
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "RUNBOOK"))}
    environment |= {"DOCKER_CONFIG": str(raised.folder / "docker-config"), "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "runbook", *words], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("raised", "story"),
    [
        pytest.param(NODE, NODE, id="node"),
        pytest.param(DJANGO, DJANGO, id="django"),
        pytest.param(FLASK, FLASK, id="flask"),
    ],
    indirect=["raised"],
)
def test_new_user_comes_from_init_to_a_rollback(raised: Raised, story: Story) -> None:
    """The file from init and the key that the plan asks for suffice. doctor reports one problem: no validation."""
    said = [typed(raised, "init", str(raised.server), code=0)]
    settings = raised.folder / "operator" / "runbook.toml"
    assert load(settings).project.env_file == raised.example.env_file
    said += [settings.read_text(), typed(raised, "doctor", code=1)]
    assert said[-1].count("PROBLEM") == 1, said[-1]
    assert "type" in said[-1].partition("PROBLEM  ledger")[2]
    said += [typed(raised, "validate", code=0), typed(raised, "doctor", code=0)]
    raised.deploy(story.bad)
    if story.knows:
        said.append(typed(raised, "plan", code=1))
        assert f"migrations.{story.knows.partition(' ')[0]}" in said[-1]
        settings.write_text(settings.read_text().replace("[migrations]\n", f"[migrations]\n{story.knows}\n"))
    if story.decides:
        said.append(typed(raised, "plan", code=6))
        assert "DECISION NEEDED" in said[-1]
    said.append(typed(raised, "rollback", *story.decides, "--execute", load(settings).project.name, code=0))
    assert raised.variables[raised.example.tag_variable] == raised.example.first
    answer = httpx.get(f"http://127.0.0.1:{raised.variables['PUBLIC_PORT']}{raised.example.answers}", trust_env=False)
    assert answer.status_code == 200
    assert story.ends(raised)
    service = load(settings).project.services[0]
    image = docker("inspect", "--format", "{{.Config.Image}}", f"{load(settings).project.name}-{service}-1")
    assert image.endswith(f":{raised.example.first}")
    for journal in Path(raised.folder / "operator" / "reports").glob("*/journal.jsonl"):
        assert problems(journal) == []
    secrets = [value for name, value in raised.variables.items() if name.endswith(("PASSWORD", "SECRET_KEY"))]
    assert [value for value in secrets if any(value in text for text in said)] == []
