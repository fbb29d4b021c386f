"""The incidents on a second host over SSH, compared with this machine: the same steps, changes and final state."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from rehearsal.ended import otherwise
from rehearsal.incidents.catalogue import find_incident
from rehearsal.incidents.database import columns, sql, tables
from tests.engine.conftest import Ran, Rehearsed, planted
from tests.engine.judging import arguments
from tests.support.ssh_server import needs_sshd

pytestmark = [
    needs_sshd,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="a second host needs root"),
]

_OTHER_EACH_TIME = re.compile(
    r"(?<=ADDRESS:)\d+|[0-9a-f]{12,64}|\b\d+(\.\d+)? (s|GiB)\b|\d{8}T\d{6}Z|\d{4}-\d\d-\d\dT[\d:.]+Z"
)


def told(here: Rehearsed, ran: Ran) -> dict[str, Any]:
    """Return what a run says and leaves, without parts that differ in every rehearsal: names, addresses, digests."""

    def plain(text: str) -> str:
        text = text.replace(str(here.practice.folder), "FOLDER").replace(here.practice.name, "NAME")
        text = text.replace(here.practice.address, "ADDRESS")
        return _OTHER_EACH_TIME.sub("…", text)

    steps = [entry for entry in ran.entries if entry["kind"] in ("step began", "step ended")]
    actions = [entry for entry in ran.entries if entry["kind"] == "action"]
    env_file = here.env_file.stat()
    return {
        "steps": [plain(entry.get("text") or entry["outcome"]) for entry in steps],
        "changes": [(entry["action"], entry["state"], plain(entry["summary"])) for entry in actions],
        "tag": re.findall(r"^(?:IMAGE_TAG|EXPORT_MODE)=.*", here.env_file.read_text(), re.MULTILINE),
        "mode": oct(env_file.st_mode),
        "gate": here.practice.engine.docker("exec", f"{here.practice.name}-gateway-1", "gate", "state").strip(),
        "revision": sql(here.practice, "SELECT version_num FROM alembic_version ORDER BY 1"),
        "schema": {table: columns(here.practice, table) for table in tables(here.practice)},
        "files": sorted(plain(path.name) for path in (here.practice.server / ".runbook").rglob("*")),
    }


@pytest.mark.parametrize("name", ["regression", "breaking-migration", "export-leak"])
def test_it_ends_as_on_this_machine(name: str, tmp_path: Path) -> None:
    """Same steps with the same outcomes, same changes, same final state, and the rehearsal itself reports success."""
    found, seconds = [], []
    for remote in (True, False):
        (tmp_path / str(remote)).mkdir()
        with planted(name, tmp_path / str(remote), remote=remote) as (here, _):
            ran = here.run(*arguments(name, here))
            assert ran.exit_code == 0, ran.terminal
            assert otherwise(find_incident(name), ran.entries) == ""
            found.append(told(here, ran))
            seconds.append(sum(entry["seconds"] for entry in ran.of_kind("step ended")))
    assert found[0] == found[1]
    print(f"{name}: {seconds[0]:.1f} s over SSH, {seconds[1]:.1f} s here")  # noqa: T201 - for the test log
