"""Build logs as a source: a folder, a file or a command, and the limits for hostile logs."""

import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from runbook.errors import RunbookError, SourceError
from runbook.release import PROBE, ImageName, TagForm
from runbook.settings.target_sources import LogSource
from runbook.targets.candidate import Candidate, Kind
from runbook.targets.sources.build_logs import BuildLogs
from runbook.targets.sources.lines import mentioned_in
from runbook.targets.sources.source import Wanted
from tests.support.target_parts import DIGEST, through, wanted

PATTERN = r"release (?P<tag>\S+)(?: (?P<image>[\w./:-]+)@(?P<digest>\S+))?"


def candidates(newest: int = 10, **settings: Any) -> tuple[list[Candidate], list[str]]:
    source = BuildLogs(LogSource.model_validate({"pattern": PATTERN, **settings}), wanted(newest=newest))
    with through() as looking:
        return list(source.candidates(looking)), source.remarks


def written(path: Path, text: str, day: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = 1765792800 + day * 86400  # 2025-12-15T10:00:00Z plus that many days
    os.utime(path, (moment, moment))


def test_folder_of_logs_is_read_from_the_newest_file_on(tmp_path: Path) -> None:
    """Of a folder, the newest file comes first, and a release has the time of its file."""
    written(tmp_path / "12" / "log", f"release v2 registry.example/shop/api@{DIGEST}\n", 1)
    written(tmp_path / "11" / "log", "started\nrelease v1\n", 0)
    found, remarks = candidates(path=str(tmp_path), means="deployed")
    assert [each.tag for each in found] == ["v2", "v1"]
    assert found[0].digests == {"api": DIGEST}
    assert found[0].kind is Kind.DEPLOYED
    assert found[1].evidence == f"deployed: line 2 of {tmp_path}/11/log names it"
    assert found[1].time is not None
    assert found[1].time.isoformat() == "2025-12-15T10:00:00+00:00"
    assert remarks == []


def test_file_of_all_builds_is_read_from_its_last_line_on(tmp_path: Path) -> None:
    """Of one file, the last line is the newest, and a release has a time only if its line has one."""
    written(tmp_path / "log", "2025-12-01T09:00:00Z release v1\n2025-12-02T09:00:00Z release v2\nrelease v3\n", 9)
    found, _ = candidates(path=str(tmp_path / "log"), pattern=r"(?P<time>\S+Z)? ?release (?P<tag>\S+)")
    assert [(each.tag, str(each.time)[:10]) for each in found] == [
        ("v3", "None"), ("v2", "2025-12-02"), ("v1", "2025-12-01"),
    ]  # fmt: skip


def test_command_prints_the_log() -> None:
    """A command's output is read like a log."""
    found, _ = candidates(command=["printf", r"release v1\nrelease v2\n"])
    assert [each.tag for each in found] == ["v2", "v1"]


def test_digest_of_no_known_image_is_told_and_not_used(tmp_path: Path) -> None:
    """A digest of an unknown image is part of the evidence, but is not assigned to a service."""
    written(tmp_path / "log", f"release v1 other/image@{DIGEST}\n", 0)
    found, _ = candidates(path=str(tmp_path))
    assert found[0].digests == {}
    assert DIGEST in found[0].evidence


@pytest.mark.parametrize(
    "line",
    [
        "release $(id)",
        "release --help",
        "release ../x",
        "release v1;reboot",
        f"release {'v' * 200}",
        "release \x1b]0;x",
    ],
)
def test_hostile_tag_is_no_release(tmp_path: Path, line: str) -> None:
    """Text that is not a valid tag is not taken from a log."""
    written(tmp_path / "log", f"{line}\nrelease v1@sha256:x\n", 0)
    assert candidates(path=str(tmp_path / "log"), pattern=r"release (?P<tag>[^@]*)")[0][-1].tag == "v1"


def test_hostile_line_costs_little(tmp_path: Path) -> None:
    """A line of a million characters is cut before the pattern is applied; many of them end at the deadline."""
    line = f"release {'v' * 1_000_000}!\n"
    written(tmp_path / "log", line * 2, 0)
    began = time.monotonic()
    assert candidates(path=str(tmp_path / "log"), pattern=r"release (?P<tag>v+)v+x")[0] == []
    with through(0.2) as looking, pytest.raises(SourceError, match="deadline"):
        list(mentioned_in([line] * 100_000, re.compile(r"release (?P<tag>v+)v+x"), wanted(), looking))
    assert time.monotonic() - began < 10


def test_pattern_that_never_ends_is_stopped_at_the_deadline(tmp_path: Path) -> None:
    """A pattern with nested repetitions is stopped at the deadline, and other threads run meanwhile."""
    written(tmp_path / "log", "release " + "v" * 60 + "\n", 0)
    settings = LogSource(path=str(tmp_path / "log"), pattern=r"release (?P<tag>(v|vv)+)(?<!v)$")
    ticks: list[float] = []
    stopped = threading.Event()

    def tick() -> None:
        while not stopped.wait(0.02):
            ticks.append(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    began = time.monotonic()
    with through(0.5) as looking, pytest.raises(SourceError, match="deadline"):
        list(BuildLogs(settings, wanted()).candidates(looking))
    stopped.set()
    ticking.join()
    assert time.monotonic() - began < 10
    assert len(ticks) > 5


def test_pattern_of_tags_that_never_ends_is_stopped() -> None:
    """`targets.pattern` has a time limit too, because tags are untrusted."""
    with pytest.raises(SourceError, match=r"targets\.pattern takes more than"):
        wanted(pattern=r"((v|vv)+)(?<!v)").counts("v" * 60)


@pytest.mark.parametrize("colours", ["", "\x1b[0m" * 600])
def test_tag_at_which_a_long_line_is_cut_is_no_other_release(tmp_path: Path, colours: str) -> None:
    """A tag at the cut end of a long line is ignored, because its part could name another release."""
    for before, known in ((988, []), (900, ["v1.25"])):
        line = f"{colours}{' ' * before}release v1.25 and more {'x' * 5000}"
        written(tmp_path / "log", f"{line}\n", 0)
        found, _ = candidates(path=str(tmp_path / "log"), pattern=r"release\s(?P<tag>v[\d.]+)")
        assert [each.tag for each in found] == ([] if colours else known)


def test_half_a_line_at_which_a_long_log_is_cut_names_no_release(tmp_path: Path) -> None:
    """Only the last 4 MiB of a 200 MB log are read, and its incomplete first line names no release."""
    with (tmp_path / "log").open("wb") as file:
        file.write(b"deployed 10.7\n")
        file.truncate(200 << 20)
        file.seek((200 << 20) - (4 << 20) - len("deployed 1"))
        file.write(b"deployed 10.7\n" + b"-" * ((4 << 20) - len(b"0.7\n") - len("deployed 9.1\n")) + b"deployed 9.1\n")
        file.truncate(200 << 20)
    found, remarks = candidates(path=str(tmp_path / "log"), pattern=r"(?P<tag>\d+\.\d+)$")
    assert found == []  # a line of 4 MiB is cut too
    assert remarks == [f"only the last 4 MiB of {tmp_path}/log were read"]


def test_last_of_very_many_lines_counts(tmp_path: Path) -> None:
    """The newest release is found at the end of a log with very many lines."""
    written(tmp_path / "log", "release v1\n" + "\n" * 1_500_000 + "release v2\n", 0)
    found, remarks = candidates(path=str(tmp_path / "log"))
    assert [each.evidence for each in found] == [f"built: line 1500002 of {tmp_path}/log names it"]
    assert remarks == [f"only the last 200000 lines of {tmp_path}/log were searched"]


def test_file_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """A log that was removed meanwhile gives a remark, and the other logs are read."""
    written(tmp_path / "old", "release v1\n", 0)
    written(tmp_path / "new", "release v2\n", 1)
    with through() as looking:
        run = looking.run
        source = BuildLogs(LogSource(path=str(tmp_path), pattern=PATTERN), wanted())

        def removing(*argv: str, **more: Any) -> Any:
            answer = run(*argv, **more)
            (tmp_path / "new").unlink(missing_ok=True)
            return answer

        looking.run = removing  # type: ignore[method-assign]
        found = list(source.candidates(looking))
    assert [each.tag for each in found] == ["v1"]
    assert "new was not read" in source.remarks[0]


def test_only_the_newest_files_are_read_and_the_rest_is_told(tmp_path: Path) -> None:
    """At most 50 of 60 files are read, and a remark says how many were not."""
    for number in range(60):
        written(tmp_path / f"{number}.log", f"release v{number}\n", number)
    found, remarks = candidates(path=str(tmp_path), newest=3)
    assert [each.tag for each in found] == ["v59", "v58", "v57"]
    assert remarks == ["the oldest 10 of 60 files were not read"]


@pytest.mark.parametrize("settings", [{"path": "/no/such/folder"}, {"command": ["false"]}, {"command": ["/no/such"]}])
def test_log_that_cannot_be_read_is_told(settings: dict[str, Any]) -> None:
    """A missing folder or a failed command is an error of the source."""
    with pytest.raises(RunbookError):
        candidates(**settings)


def test_folder_without_files_is_told(tmp_path: Path) -> None:
    """A folder without files is an error, because its path is probably wrong."""
    with pytest.raises(SourceError, match="has no files"):
        candidates(path=str(tmp_path))


def test_command_without_end_is_stopped() -> None:
    """A command that prints without end is stopped."""
    with pytest.raises(RunbookError, match="printed more than"):
        candidates(command=["yes"])


@pytest.mark.parametrize(
    ("line", "tag", "services"),
    [
        ("registry.example/shop/app:v1-api", "v1", ["api"]),
        ("registry.example/shop/app:v1-jobs", "v1", ["jobs"]),
        ("registry.example/shop/app:v1", None, []),
        ("other/app:v1-api", "v1-api", []),
    ],
)
def test_tag_of_an_image_is_turned_into_the_releases(line: str, tag: str | None, services: list[str]) -> None:
    """An image's tag in a log (`app:${IMAGE_TAG}-api`) gives the release's tag without the added text."""
    image = ImageName("registry.example", "shop/app", PROBE)
    forms = {name: TagForm("registry.example/shop/app:", f"-{name}") for name in ("api", "jobs")}
    looked_for = Wanted({"api": image, "jobs": image}, forms, re.compile(".+"), 10)
    pattern = re.compile(r"(?P<image>[\w./]+):(?P<tag>\S+) (?P<digest>\S+)")
    with through() as looking:
        found = list(mentioned_in([f"{line} {DIGEST}"], pattern, looked_for, looking))
    assert [(each.tag, sorted(each.digests)) for each in found] == ([(tag, services)] if tag else [])
