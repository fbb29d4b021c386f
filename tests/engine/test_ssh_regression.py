"""`regression` on a second host over SSH: a plan leaves nothing, and a rollback is cut off again and again.

Checked with the second host's engine, files and processes.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.docker_host.engine import plugin_dirs
from rehearsal.incidents.catalogue import find_incident
from rehearsal.practice_production import PracticeProduction
from tests.engine.conftest import ROOT, Rehearsed, hasten
from tests.engine.cut_campaign import Cuts
from tests.engine.same_end import strays
from tests.support.campaigns import WHOLE, campaign
from tests.support.ssh_server import needs_sshd

pytestmark = [
    needs_sshd,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="a second host needs root"),
]

LIVE, FAILED = "2025-12-15-rc1", "2025-12-18-rc1"
_CHANGES = 6  # the rollback must have been cut under at least this many changes


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    """A second host with `regression` planted, on which no runbook has ever run."""
    practice = PracticeProduction(ROOT, print, plugin_dirs=plugin_dirs(), remote=True)
    here = Rehearsed(practice, tmp_path_factory.mktemp("ssh") / "reports")
    try:
        find_incident("regression").plant(practice, hasten)
        yield here
    finally:
        practice.take_down()
    assert not practice.folder.exists()
    assert practice.second is not None
    assert not Path(f"/proc/{practice.second.process}").exists()
    assert not Path(f"/run/netns/{practice.second.namespace}").exists()


def listing(here: Rehearsed) -> str:
    """Return everything a run could leave on the second host: files with size and time, and its engine's content."""
    second = here.practice.second
    assert second is not None
    inside, told = ("nsenter", f"--mount=/proc/{second.process}/ns/mnt"), "%p %y %m %U %i %s %T@\n"
    # The host's separate folders completely, and elsewhere whatever its user owns. No other rehearsal is on it.
    places = ("/home", "/root", "/tmp", "/var/tmp", here.practice.server, second.folder / "home")
    # Folders shared with this machine are on another file system, and do not belong to the host.
    own = ["find", *map(str, (*places, here.practice.folder / "docker-config")), "-xdev"]
    pruned = ["-path", f"{here.practice.folder.parent}", "-prune", "-o"]
    anywhere = ["find", "/", "/run", "/dev/shm", "-xdev", *pruned, "-uid", "4711"]
    kept = ["!", "-name", "runc-process*"]
    files = "".join(
        subprocess.run(
            # The engine creates and removes files in /tmp (for health checks), so a folder's time may change.
            [*inside, *command, *kept, "(", "-type", "d", "-printf", "%p %y %m %U %i\n", "-o", "-printf", told, ")"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for command in (own, anywhere)
    )
    ask, images = here.docker, "{{.ID}} {{.Repository}} {{.Tag}} {{.Digest}}"
    return "\n".join((
        *sorted(files.splitlines()),
        # Images of the same second come in any order. Their age, which grows, is left out.
        *sorted(ask("image", "ls", "--all", "--no-trunc", "--format", images).splitlines()),
        ask("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Image}}"),
        ask("volume", "ls"), ask("network", "ls", "--no-trunc"),
    ))  # fmt: skip


def released(here: Rehearsed) -> set[str]:
    """Return the tags that api and jobs run, according to the second host's engine."""
    names = (f"{here.practice.name}-{service}-1" for service in ("api", "jobs"))
    asked = ("inspect", "--format", "{{.Config.Image}} {{.State.Status}}")
    lines = [here.docker(*asked, name) for name in names]
    return {line.rpartition(":")[2] for line in lines}


def test_plan_leaves_not_one_byte(remote: Rehearsed) -> None:
    """A plan for a host that has never seen the runbook leaves it the same, byte for byte."""
    before = listing(remote)
    plan = remote.run("--to", LIVE)
    assert plan.exit_code == 0, plan.terminal
    assert listing(remote) == before
    assert strays(remote.practice) == []
    assert "reached as <code>ssh://deploy@shop-1</code>" in (plan.folder / "record.html").read_text()  # type: ignore[operator]
    opened = plan.of_kind("opened")[0]
    assert (opened["host"], opened["address"]) == ("shop-1", "ssh://deploy@shop-1")


def test_what_needs_more_than_the_user_has_says_so(remote: Rehearsed) -> None:
    """Outside the group docker, or in another user's folder, the plan says what is missing, and stops."""
    second, server = remote.practice.second, remote.practice.server
    assert second is not None
    groups = (second.folder / "group").read_text()
    # Written in place, because it is mounted over the host's file. New connections get the new groups.
    (second.folder / "group").write_text(groups.replace("docker:x:4712:deploy", "docker:x:4712:"))
    try:
        ran = remote.run("--to", LIVE)
    finally:
        (second.folder / "group").write_text(groups)
    said = " ".join(ran.terminal.split())
    assert ran.exit_code != 0
    assert "user deploy (groups deploy) has no access to /var/run/docker.sock (group docker)" in said
    for path in (server, remote.env_file):
        os.chown(path, 0, 0)
    try:
        ran = remote.run("--to", LIVE)
    finally:
        second.hand_over(server)
    said = " ".join(ran.terminal.split())
    assert ran.exit_code != 0
    assert "run this as the user that deploys" in said


@pytest.mark.skipif(WHOLE, reason="the next test does so as well")
def test_rolled_back(remote: Rehearsed) -> None:
    """Both services run the target, the gate is open, and no commands run on the host."""
    ran = remote.run("--to", LIVE, "--execute", remote.practice.name)
    assert ran.exit_code == 0, ran.terminal
    assert released(remote) == {f"{LIVE} running"}
    assert remote.docker("exec", f"{remote.practice.name}-gateway-1", "gate", "state") == "open"
    assert strays(remote.practice) == []


@campaign
def test_connection_is_cut_again_and_again(remote: Rehearsed) -> None:
    """Cut under one change after the other, in different ways, the run says so and is resumed to the end."""
    practice = remote.practice
    cuts = Cuts(remote, ("--to", LIVE))
    found = list(cuts.until_done(("network", "run", "server", "client", "gap")))
    assert [problem for cut in found for problem in cut.problems] == []
    assert len({change for cut in found for change in cut.struck}) >= _CHANGES
    assert [cut.kind for cut in found if cut.exit_code][:2] == ["network", "run"]
    assert released(remote) == {f"{LIVE} running"}
    assert practice.ask("/readyz").status_code == 200
    assert remote.docker("exec", f"{practice.name}-gateway-1", "gate", "state") == "open"
    assert not (practice.server / ".runbook/lock").exists()
    practice.wait_for(lambda: "; ".join(strays(practice)) or None, "nothing at work on the host any more", 120)
    assert f"IMAGE_TAG={LIVE}  # set by CI" in remote.env_file.read_text()
    stat = remote.env_file.stat()
    assert (oct(stat.st_mode), stat.st_uid, stat.st_gid) == ("0o100640", 4711, 4711)
    print(*found, sep="\n")  # noqa: T201 - the result of each cut, for the test log
