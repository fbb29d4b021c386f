"""The images that rehearsals share. Tags are hashes of their content, so nothing is built twice."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rehearsal.docker_host.engine import Engine
from rehearsal.docker_host.parallel import side_by_side
from rehearsal.errors import RehearsalError
from rehearsal.images.build import build
from rehearsal.images.packages import fetch_packages
from rehearsal.images.registry_seed import stock_layers
from rehearsal.releases import HERE, LEFT_OUT, make_readable
from rehearsal.stages import Stages

BASE_IMAGE = "rollback-runbook/base:bookworm"
REPOSITORY = "rollback-runbook/rehearsal-"
PARTS_FOLDER = HERE / "parts"
SHARED = PARTS_FOLDER / "shared"
LOCK_FILE = "requirements.lock"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Part:
    """A shared image: a folder with a Dockerfile, based on the base image or on another part.

    `stocks` names the part whose layers a registry has in stock.
    """

    name: str
    folder: Path
    upon: str | None = None
    stocks: str | None = None


FIRST_PARTS = tuple(Part(name, PARTS_FOLDER / name) for name in ("database", "gateway", "registry", "runtime"))
SECOND_PARTS = (
    Part("desk", HERE / "desk", upon="runtime"),
    Part("stocked-registry", PARTS_FOLDER / "stocked-registry", upon="registry", stocks="runtime"),
)


@dataclass(frozen=True)
class Plan:
    """The shared images for one engine. `tags` has a reference for each part, built or not."""

    tags: dict[str, str]
    architecture: str


def content_hash(folders: Iterable[Path], *also: str) -> str:
    """Return 12 hex digits over the words and the files in the folders (name, content, executable or not)."""
    digest = hashlib.sha256(repr(also).encode())
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and not LEFT_OUT(str(folder), list(name.parts)):
                program = bool(path.stat().st_mode & 0o100)
                content = path.read_bytes()
                digest.update(repr((name.as_posix(), program, len(content))).encode() + content)
    return digest.hexdigest()[:12]


def plan_parts(engine: Engine) -> Plan:
    """Return the references of all parts for this engine.

    Raises RehearsalError if no engine answers, its architecture is not supported, or the base image is missing.
    """
    architecture = engine.architecture()
    if architecture not in MACHINES:
        raise RehearsalError(f"the Docker Engine runs on {architecture}, expected {' or '.join(MACHINES)}")
    base = engine.image_id(BASE_IMAGE)
    if base is None:
        raise RehearsalError(f"the base image {BASE_IMAGE} is missing; type: script/bootstrap")
    tags: dict[str, str] = {}
    for part in (*FIRST_PARTS, *SECOND_PARTS):
        from_parts = [tags[name] for name in (part.upon, part.stocks) if name]
        digits = content_hash([part.folder, SHARED], base, architecture, *from_parts)
        tags[part.name] = f"{REPOSITORY}{part.name}:{digits}"
    return Plan(tags, architecture)


def build_parts(engine: Engine, plan: Plan, owner: str, stages: Stages) -> None:
    """Build the parts that the engine lacks, independent ones in parallel.

    `owner` is the rehearsal that needs them. Raises RehearsalError.
    """
    there = set(engine.lines("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", f"{REPOSITORY}*"))
    for parts in (FIRST_PARTS, SECOND_PARTS):
        missing = [part for part in parts if plan.tags[part.name] not in there]
        if missing:
            stages(f"building images that later rehearsals reuse: {', '.join(part.name for part in missing)}")
            side_by_side(*(partial(_build_part, engine, plan, part, owner, stages) for part in missing))


def _build_part(engine: Engine, plan: Plan, part: Part, owner: str, stages: Stages) -> None:
    """Build one part in a temporary folder, and say so."""
    base = plan.tags[part.upon] if part.upon else BASE_IMAGE
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as temporary:
        context = Path(temporary)
        for source in (part.folder, SHARED):
            shutil.copytree(source, context, ignore=LEFT_OUT, dirs_exist_ok=True)
        if (part.folder / LOCK_FILE).exists():
            fetch_packages(part.folder / LOCK_FILE, context / "site", MACHINES[plan.architecture])
        if part.stocks:
            stock_layers(base, plan.tags[part.stocks], context / "stock", owner)
        make_readable(context)
        build(engine, context, plan.tags[part.name], [("--build-arg", f"BASE={base}")])
    stages(f"built {part.name}")
