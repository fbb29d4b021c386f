"""A small real production with a test's own image and Compose file, for trials on a copy of its schema."""

import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal.docker_host.engine import Engine
from rehearsal.images.parts import build_parts, plan_parts
from rehearsal.stages import Stages
from runbook.chapters.startup.scratch_project import LABEL
from runbook.hosts.command import Command
from runbook.release import ImageName, Release
from runbook.settings.schema import Deadlines
from tests.support.parts import host

PROJECT = Path(__file__).parent / "start_projects"
DEADLINES = Deadlines(command=60, healthy=120, stable=1, up=120)


class Built(Release):
    """A release that was built here, whose images have no registry digest."""

    def pinned(self, service: str) -> str:
        return str(self.images[service])


@dataclass
class Here:
    """The production of these tests, and its folder."""

    folder: Path
    name: str
    image: str

    @property
    def release(self) -> Release:
        return Built("v1", {"api": ImageName.parse(self.image)}, {"api": "unpublished"})

    def compose(self, *arguments: str) -> str:
        argv = ["docker", "compose", "-p", self.name, *arguments]
        return subprocess.run(argv, cwd=self.folder, check=True, capture_output=True, text=True, timeout=120).stdout

    def sql(self, text: str) -> str:
        return self.compose("exec", "-T", "db", "psql", "-qtA", "-U", "shop", "-d", "shop", "-c", text)


@contextmanager
def raised(
    folders: pytest.TempPathFactory,
    kind: str,
    dockerfile: str,
    compose: str,
    write: Callable[[Path], object] = lambda _context: None,
) -> Iterator[Here]:
    """Yield the production with its database up. It is removed at the end.

    `write` adds files to the image. `dockerfile` and `compose` may contain `{runtime}`, `{api}`, `{db}` and `{name}`.
    """
    engine = Engine(folders.mktemp("docker"))
    plan = plan_parts(engine)
    build_parts(engine, plan, f"{kind}-test", Stages(print))
    token = uuid.uuid4().hex[:8]
    found = Here(
        folders.mktemp("production"), f"{kind.replace('-', '')}test-{token}", f"rollback-runbook/{kind}-test:{token}"
    )
    context = folders.mktemp("context")
    shutil.copytree(PROJECT, context, dirs_exist_ok=True)
    write(context)
    (context / "Dockerfile").write_text(dockerfile.format(runtime=plan.tags["runtime"]))
    (found.folder / ".env").write_text(f"PASSWORD=dollar$$and'quote\nKIND=plain\nIMAGE_TAG={token}\n")
    (found.folder / "docker-compose.yml").write_text(
        compose.format(
            api=found.image, repository=found.image.partition(":")[0], db=plan.tags["database"], name=found.name
        )
    )
    engine.docker("build", "--force-rm", "--tag", found.image, str(context), timeout=300)
    try:
        found.compose("up", "-d")
        ready = Command(("docker", "exec", f"{found.name}-database", "pg_isready", "-q", "-h", "127.0.0.1"), 30)
        until = time.monotonic() + 120
        while host().run(ready).exit_code:
            assert time.monotonic() < until
            time.sleep(0.2)
        yield found
    finally:
        found.compose("down", "--volumes", "--timeout", "0")
        engine.docker("image", "rm", "--force", found.image)


def left(here: Here) -> str:
    """Return what a trial has left on the engine."""
    mine = ("--filter", f"label={LABEL}={here.name}")
    listed = [
        subprocess.run(["docker", kind, "ls", *more, "-q", *mine], check=True, capture_output=True, text=True).stdout
        for kind, more in (("container", ("-a",)), ("network", ()))
    ]
    return "".join(listed)
