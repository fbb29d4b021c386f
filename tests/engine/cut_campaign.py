"""Cut the SSH connection of a rollback under each of its changes, and resume it until it is done.

    python -m tests.engine.cut_campaign --report cuts.jsonl
    python -m tests.engine.cut_campaign --kinds network gap --seed 7

The practice production is on a second host. For each kind of cut (tests/engine/cutter.py) it is reset to the beginning
of the incident. A run is cut under a change, resumed, cut under the next change, and so on. The final state is compared
with that of a run without cuts.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.engine import cutter, killed_record, same_end
from tests.engine.conftest import Ran, Rehearsed, planted
from tests.engine.kill_campaign import INCIDENT, Campaign, Undisturbed

MOST_RUNS = 40
ENDED_WITHIN = 15.0  # seconds until commands that a cut left running on the host must have ended


@dataclass
class Cut:
    """One run that was cut: the changes it was cut under, and the result. `problems` is empty if all is well.

    `left` are the commands still running on the host, which the next run must wait for or stop.
    """

    kind: str
    struck: list[str] = field(default_factory=list)
    exit_code: int = 0
    seconds: float = 0.0
    left: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Cuts:
    """Cuts of one incident on a second host, in `folder`. `arguments` are the arguments of each run."""

    def __init__(
        self, here: Rehearsed, arguments: Sequence[str], undisturbed: Undisturbed | None = None, seed: int = 1
    ) -> None:
        """Without an `undisturbed` run, each cut comes when the first command of its change has begun."""
        second = here.practice.second
        assert second is not None
        self._here, self._arguments, self._host = here, arguments, second.process
        self._seconds = dict(undisturbed.changes) if undisturbed else {}
        self._drawn = random.Random(seed)  # noqa: S311 - no secret
        self._plan = here.reports.parent / "cut.json"
        #: The record's name, once there is one.
        self.incident = ""
        self.last: Ran | None = None

    def until_done(self, kinds: Sequence[str]) -> Iterator[Cut]:
        """Run, cut and resume until a run passes, with the kinds in turn. Yields each run that was cut."""
        self.incident, struck = "", list[str]()
        for number in range(MOST_RUNS):
            kind, before = kinds[number % len(kinds)], len(struck)
            drawn = self._drawn.uniform(0.02, 0.98)
            plan = {"kind": kind, "host": self._host, "seconds": self._seconds, "drawn": drawn, "struck": struck}
            self._plan.write_text(json.dumps(plan))
            began = time.monotonic()
            try:
                ran = self._run()
            finally:
                cutter.mend(self._host)
            struck = json.loads(self._plan.read_text())["struck"]
            cut = Cut(kind, struck[before:], ran.exit_code, round(time.monotonic() - began, 1))
            self._judge(cut, ran)
            if cut.struck or ran.exit_code:
                yield cut
            if ran.exit_code == 0:
                return
        raise AssertionError(f"not done after {MOST_RUNS} runs")

    def _run(self) -> Ran:
        resumed = ("--resume", self.incident) if self.incident else ()
        ran = self._here.run(
            "-p", "tests.engine.cutter", *self._arguments, *resumed, "--execute", self._here.practice.name,
            environment={cutter.VARIABLE: str(self._plan)},
        )  # fmt: skip
        if ran.folder is not None:
            self.incident = ran.folder.name
        assert self.incident, ran.terminal
        self.last = Ran(ran.exit_code, ran.terminal, self._here.reports / self.incident)
        return self.last

    def _judge(self, cut: Cut, ran: Ran) -> None:
        self._wait_for_the_end(cut)
        assert ran.folder is not None
        verified = killed_record.runbook("verify", ran.folder / "journal.jsonl")
        if cut.exit_code == -9:
            if cut.kind != "run" or "the run was killed" not in verified.stdout:
                cut.problems.append(f"killed? verify: {verified.stdout}")
            return
        if verified.returncode:
            cut.problems.append(f"verify: {verified.stdout}")
        if cut.exit_code == 0:
            return
        said = " ".join(ran.terminal.split())
        lost = ("connection to ssh://deploy@shop-1", "gave no answer", "no SSH connection to ssh://deploy@shop-1")
        # If only images were pulled, there is nothing to resume, and a new incident may begin.
        way_on = "--resume" in said or "nothing was changed" in said
        if cut.exit_code != 1 or not way_on or not any(words in said for words in lost):
            cut.problems.append(f"exit code {cut.exit_code}, and what it said\n{ran.terminal}")
        if cut.kind == "network" and "the state of production is unknown" not in said:
            cut.problems.append(f"it said what production is now, and cannot know that\n{ran.terminal}")
        if (outcome := ran.of_kind("closed")[-1]["outcome"]) not in ("failed", "inconclusive"):
            cut.problems.append(f"the record is closed as {outcome}")
        if cut.left and not [entry for entry in ran.of_kind("command") if entry.get("at_large")]:
            cut.problems.append(f"at work on the host, and nothing of that on record: {cut.left}")

    def _wait_for_the_end(self, cut: Cut) -> None:
        """Wait until no commands run on the host. After a network cut, some may run until the incident is resumed."""
        until = time.monotonic() + ENDED_WITHIN
        while (left := same_end.strays(self._here.practice)) and time.monotonic() < until:
            time.sleep(0.2)
        if cut.kind == "network" and cut.exit_code:
            cut.left = left
        elif left:
            cut.problems.append(f"left at work: {left}")


def table(cuts: Iterable[Cut], ends: dict[str, list[str]]) -> str:
    """Return the number of cuts, the runs they ended, how each incident ended, and the problems."""
    cuts = list(cuts)
    rows = [f"{'cut':<9}{'changes cut':>12}{'runs ended':>12}{'left at work':>14}{'all well':>10}{'same end':>10}"]
    for kind, apart in ends.items():
        of_kind = [cut for cut in cuts if cut.kind == kind]
        struck, ended = sum(len(cut.struck) for cut in of_kind), sum(cut.exit_code != 0 for cut in of_kind)
        left, well = sum(bool(cut.left) for cut in of_kind), all(not cut.problems for cut in of_kind)
        rows.append(f"{kind:<9}{struck:>12}{ended:>12}{left:>14}{well!s:>10}{(not apart)!s:>10}")
    wrong = [f"{cut.kind} {cut.struck}: {problem}" for cut in cuts for problem in cut.problems]
    return "\n".join([*rows, *wrong, *(f"{kind}: {each}" for kind, apart in ends.items() for each in apart)])


def main() -> int:
    """Run a campaign. Return 0 if every rollback that was cut reached the same final state."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="*", choices=cutter.KINDS, default=cutter.KINDS, metavar="KIND")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="for the moments, which are drawn at random")
    parser.add_argument("--report", type=Path, metavar="FILE", help="keeps a line of JSON for each run")
    given = parser.parse_args()
    found, ends = list[Cut](), dict[str, list[str]]()
    with planted(INCIDENT.name, Path(tempfile.mkdtemp(prefix="cut-campaign-")), remote=True) as (here, _):
        campaign = Campaign(here, given.seed)
        _say(f"{len(campaign.undisturbed.steps)} steps, {len(campaign.undisturbed.changes)} changes")
        for kind in given.kinds:
            campaign.reset()
            others = same_end.others(here)
            cuts = Cuts(here, (), campaign.undisturbed, given.seed)
            for cut in cuts.until_done([kind]):
                found.append(cut)
                _say(f"{cut.seconds:6.1f} s  {kind:<8} {'ok' if not cut.problems else 'WRONG':<6} {cut.struck}")
                if given.report:
                    with given.report.open("a") as report:
                        report.write(json.dumps(asdict(cut)) + "\n")
            end = same_end.end_of(here, cuts.incident)
            ends[kind] = same_end.differences(campaign.undisturbed.end | {"others": others}, end)
    _say(table(found, ends))
    return int(any(cut.problems for cut in found) or any(ends.values()))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - output for the terminal


if __name__ == "__main__":
    raise SystemExit(main())
