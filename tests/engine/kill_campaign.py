"""Kill a rollback of `regression` at one moment after the other, resume it, and compare the final state.

    python -m tests.engine.kill_campaign --every --report kills.jsonl
    python -m tests.engine.kill_campaign --sample 10 --seed 7

All kills use one practice production, which is reset to the beginning of the incident before each of them. With
`--report`, moments that are already in that file are skipped, so that a campaign can run in pieces.
"""

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rehearsal.incidents.catalogue import find_incident
from tests.engine import killed_record, same_end
from tests.engine.conftest import Ran, Rehearsed, planted
from tests.engine.killer import VARIABLE

INCIDENT = find_incident("regression")
KINDS = ("middle", "crash", "last", "began", "ended")
PATIENCE = 90  # seconds until the commands of a killed run must have ended


@dataclass
class Kill:
    """One kill: its moment, its step or change, and the result. `problems` is empty if all is well.

    `record` is the name of its record's folder. `left` are the commands that still ran when the run was dead.
    `announced` is the number of announcements.
    """

    moment: str
    where: str
    record: str = ""
    problems: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    announced: int = 0
    killed: bool = False
    resumed: bool = False
    same: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Undisturbed:
    """A run that was not killed: its steps, its changes with their duration in seconds, and its final state."""

    steps: list[str]
    changes: list[tuple[str, float]]
    end: dict[str, Any]


class Campaign:
    """Kills on one production with `regression` planted."""

    def __init__(self, here: Rehearsed, seed: int) -> None:
        self._here = here
        self._seed = seed
        ledger = here.practice.server / ".runbook/known_good.jsonl"
        self._ledger = ledger.read_text().splitlines(keepends=True)[0]
        self._start: dict[str, Any] | None = None

    def moments(self) -> list[str]:
        """Return every moment, in the order of a run."""
        steps = range(1, len(self.undisturbed.steps) + 1)
        changes = range(1, len(self.undisturbed.changes) + 1)
        by_kind = {"began": steps, "ended": steps, "middle": changes, "last": changes, "crash": changes}
        return [f"{kind}:{number}" for kind in KINDS for number in by_kind[kind]]

    def kill_at(self, moment: str, meanwhile: Callable[[], object] = lambda: None) -> Kill:
        """Kill a run at that moment, check what it left, resume it, and compare the final state.

        `meanwhile` is called before the run is resumed.
        """
        began = time.monotonic()
        self.reset()
        kind, _, number = moment.partition(":")
        where, seconds = self._place(moment, kind, int(number))
        kill = Kill(moment, where)
        others = same_end.others(self._here)
        ran = self._run({VARIABLE: f"{moment}:{seconds}"}, "-p", "tests.engine.killer", *self._execute)
        kill.left = same_end.strays(self._here.practice)
        kill.killed = ran.exit_code == -9 and ran.folder is not None
        if ran.folder is None or not kill.killed:
            kill.problems.append(f"not killed: exit code {ran.exit_code}\n{ran.terminal}")
        else:
            kill.record = ran.folder.name
            kill.problems += killed_record.problems(ran, where, kind)
            meanwhile()
            self._resume(kill, ran.folder, others)
        kill.seconds = round(time.monotonic() - began, 1)
        return kill

    def reset(self) -> None:
        """Reset production to the beginning of the incident: the failed release runs, and nothing was done about it."""
        here, practice = self._here, self._here.practice
        practice.wait_for(lambda: "; ".join(same_end.strays(practice)) or None, "nothing at work any more", PATIENCE)
        notes = practice.server / ".runbook"
        for path in notes.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (notes / "known_good.jsonl").write_text(self._ledger)
        if practice.second is not None:
            practice.second.hand_over(notes)
        for path in practice.server.glob(".env.*"):
            path.unlink()
        practice.engine.compose(practice.server, "rm", "--stop", "--force", "api", "jobs")
        practice.deploy(INCIDENT.failed)
        here.docker("exec", f"{practice.name}-gateway-1", "gate", "open")
        # The target must be pulled again, so that a pull can be killed too.
        registry = practice.registry_url.removeprefix("http://")
        here.docker("image", "rm", "--force", *(f"{registry}/shop/{name}:{INCIDENT.live}" for name in ("api", "jobs")))
        INCIDENT.wait_for_symptom(practice)
        start = same_end.end_of(here, "no incident")
        start = {key: start[key] for key in ("env file", "files", "gate", "revision", "schema", "orders", "notes")}
        if apart := same_end.differences(self._start or start, start):
            raise RuntimeError(f"production is not where it began: {apart}")
        self._start = start

    @property
    def _execute(self) -> tuple[str, str]:
        return "--execute", self._here.practice.name

    def _run(self, environment: dict[str, str], *arguments: str) -> Ran:
        return self._here.run(*arguments, environment=environment)

    @cached_property
    def undisturbed(self) -> Undisturbed:
        """A run that is not killed, made on first use."""
        self.reset()
        ran = self._run({}, *self._execute)
        if ran.exit_code != 0 or ran.folder is None:
            raise RuntimeError(f"the undisturbed run did not pass\n{ran.terminal}")
        steps = [f"{entry['keyword']} {entry['text']}" for entry in ran.of_kind("step began")]
        changes = [(e["summary"], e["seconds"]) for e in ran.of_kind("action") if e["state"] == "done"]
        return Undisturbed(steps, changes, same_end.end_of(self._here, ran.folder.name))

    def _place(self, moment: str, kind: str, number: int) -> tuple[str, float]:
        if kind in ("began", "ended"):
            return self.undisturbed.steps[number - 1], 0.0
        summary, seconds = self.undisturbed.changes[number - 1]
        drawn = random.Random(f"{self._seed} {moment}").uniform(0.02, 0.98)  # noqa: S311 - no secret
        return summary, round(drawn * seconds, 4)

    def _resume(self, kill: Kill, folder: Path, others: Any) -> None:
        ran = self._run({}, "--resume", folder.name, *self._execute)
        kill.resumed = ran.exit_code == 0
        if not kill.resumed:
            kill.problems.append(f"not resumed: exit code {ran.exit_code}\n{ran.terminal}")
        verified = killed_record.runbook("verify", folder / "journal.jsonl")
        if kill.resumed and verified.returncode != 0:
            kill.problems.append(f"the journal of both runs: {verified.stdout}")
        kinds = [entry["kind"] for entry in Ran(0, "", folder).entries]
        if kinds.count("resumed") != 1:
            kill.problems.append(f"{kinds.count('resumed')} entries of the kind `resumed` in the journal")
        expected = self.undisturbed.end | {"others": others}
        apart = same_end.differences(expected, same_end.end_of(self._here, folder.name))
        kill.same = not apart
        kill.problems += apart
        kill.announced = same_end.announcements(self._here, folder.name)


def table(kills: Iterable[Kill]) -> str:
    """Return how many runs were killed, resumed, and reached the same final state, and the problems."""
    kills = list(kills)
    rows = [f"{'moment':<8}{'tried':>6}{'killed':>8}{'resumed':>9}{'same end':>10}{'all well':>10}"]
    for kind in (*KINDS, ""):
        of_kind = [kill for kill in kills if kill.moment.startswith(kind)]
        killed, resumed = sum(kill.killed for kill in of_kind), sum(kill.resumed for kill in of_kind)
        same, well = sum(kill.same for kill in of_kind), sum(not kill.problems for kill in of_kind)
        rows.append(f"{kind or 'all':<8}{len(of_kind):>6}{killed:>8}{resumed:>9}{same:>10}{well:>10}")
    wrong = [f"{kill.moment} ({kill.where}): {problem}" for kill in kills for problem in kill.problems]
    return "\n".join([*rows, *wrong])


def main() -> int:
    """Run a campaign. Return 0 if every killed run was resumed to the same final state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", action="store_true", help="every moment; otherwise a sample")
    parser.add_argument("--sample", type=int, default=5, metavar="N", help="how many moments, drawn at random")
    parser.add_argument("--only", nargs="*", metavar="MOMENT", help="these moments, as in began:12")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="for what is drawn at random")
    parser.add_argument("--report", type=Path, metavar="FILE", help="keeps a line of JSON for each kill")
    given = parser.parse_args()
    kept = _kept(given.report)
    with planted(INCIDENT.name, Path(tempfile.mkdtemp(prefix="kill-campaign-"))) as (here, _):
        campaign = Campaign(here, given.seed)
        _say(f"{len(campaign.undisturbed.steps)} steps, {len(campaign.undisturbed.changes)} changes")
        done = {kill.moment for kill in kept}
        for moment in [moment for moment in _chosen(given, campaign.moments()) if moment not in done]:
            kill = campaign.kill_at(moment)
            kept.append(kill)
            _say(f"{kill.seconds:6.1f} s  {moment:<10} {'ok' if not kill.problems else 'WRONG':<6} {kill.where}")
            if given.report:
                with given.report.open("a") as report:
                    report.write(json.dumps(asdict(kill)) + "\n")
    _say(table(kept))
    return int(any(kill.problems for kill in kept))


def _chosen(given: argparse.Namespace, moments: list[str]) -> list[str]:
    if given.every:
        return moments
    drawn = random.Random(given.seed).sample(moments, min(given.sample, len(moments)))  # noqa: S311 - no secret
    return given.only or sorted(drawn, key=moments.index)


def _kept(report: Path | None) -> list[Kill]:
    if report is None or not report.exists():
        return []
    return [Kill(**json.loads(line)) for line in report.read_text().splitlines()]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - output for the terminal


if __name__ == "__main__":
    raise SystemExit(main())
