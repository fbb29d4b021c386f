"""Finds and removes what rehearsals created, by the label on everything they create."""

import shutil
from pathlib import Path

from rehearsal.docker_host.engine import Engine
from rehearsal.docker_host.labels import FOLDER, PART, REHEARSAL
from rehearsal.docker_host.locks import LOCK, try_lock
from rehearsal.docker_host.second_host import end_second_hosts
from rehearsal.errors import RehearsalError
from rehearsal.stages import Stages


def remove_rehearsal(engine: Engine, name: str) -> None:
    """Remove the containers, networks, volumes and images of one rehearsal. Raises RehearsalError."""
    mine = f"label={REHEARSAL}={name}"
    # In this order, because a resource that is in use cannot be removed.
    steps = (
        (
            ["container", "ls", "--all", "--quiet", "--filter", mine],
            ["container", "rm", "--force", "--volumes"],
        ),
        (["network", "ls", "--quiet", "--filter", mine], ["network", "rm"]),
        (["volume", "ls", "--quiet", "--filter", mine], ["volume", "rm", "--force"]),
        (["image", "ls", "--quiet", "--filter", mine], ["image", "rm", "--force"]),
    )
    for listing, removing in steps:
        found = engine.lines(*listing)
        if found:
            engine.docker(*removing, *dict.fromkeys(found), timeout=120)


def labelled_names(engine: Engine) -> dict[str, Path | None]:
    """Return the names of rehearsals that still have something on the engine, with their folders if known."""
    any_of_them = ("--filter", f"label={REHEARSAL}")
    name = f'{{{{.Label "{REHEARSAL}"}}}}'
    folder = f'{{{{.Label "{FOLDER}"}}}}'
    found: dict[str, Path | None] = {}
    for kind in ("network", "volume"):
        found.update(dict.fromkeys(engine.lines(kind, "ls", *any_of_them, "--format", name)))
    images = set(engine.lines("image", "ls", "--quiet", *any_of_them))
    if images:
        of_config = f'{{{{index .Config.Labels "{REHEARSAL}"}}}}'
        found.update(dict.fromkeys(engine.lines("image", "inspect", "--format", of_config, *images)))
    for line in engine.lines("container", "ls", "--all", *any_of_them, "--format", f"{name}\t{folder}"):
        seen, _, path = line.partition("\t")
        found[seen] = Path(path) if path else found.get(seen)
    return found


def remove_all(engine: Engine, folders: Path, stages: Stages) -> None:
    """Remove every rehearsal on this engine that is not running, then the images that they share.

    `folders` is this checkout's .rehearsals. Rehearsals of other checkouts are found by their label. The shared
    images stay if any rehearsal is running. Raises RehearsalError.
    """
    found = known_rehearsals(engine, folders)
    removed = [_remove_unless_running(engine, name, folder, stages) for name, folder in found.items()]
    shared = set(engine.lines("image", "ls", "--quiet", "--filter", f"label={PART}"))
    if shared and all(removed):
        engine.docker("image", "rm", "--force", *shared, timeout=120)
        stages(f"{len(shared)} shared images: removed")


def remove_one(engine: Engine, folders: Path, name: str, stages: Stages) -> None:
    """Remove one rehearsal, but not the shared images. Raises RehearsalError if no rehearsal has that name."""
    found = known_rehearsals(engine, folders)
    if name not in found:
        there = ", ".join(found) or "none"
        raise RehearsalError(f"no rehearsal is named {name}; known: {there}")
    _remove_unless_running(engine, name, found[name], stages)


def known_rehearsals(engine: Engine, folders: Path) -> dict[str, Path | None]:
    """Return the rehearsals of this engine and this checkout by name, with their folders if known."""
    here = {path.name: path for path in folders.glob("shop-*") if path.is_dir()}
    return dict(sorted({**labelled_names(engine), **here}.items()))


def _remove_unless_running(engine: Engine, name: str, folder: Path | None, stages: Stages) -> bool:
    """Remove a rehearsal and return True, or, if it is running (the lock in its folder is held), return False."""
    lock = None
    if folder and folder.is_dir():
        lock = try_lock(folder / LOCK)
        if lock is None:
            stages(f"{name} is running, and is not removed")
            return False
    remove_rehearsal(engine, name)
    if folder and _is_ours(folder, name):
        end_second_hosts(folder)
    if folder and _is_ours(folder, name):
        shutil.rmtree(folder)
    if lock:
        lock.close()
    stages(f"{name}: removed")
    return True


def _is_ours(folder: Path, name: str) -> bool:
    """Return whether a folder is that rehearsal's. The path in a label is not trusted."""
    return folder.name == name and folder.parent.name == ".rehearsals" and folder.is_dir()
