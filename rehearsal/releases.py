"""The content of a release: the application's source, and the few files that the release changes."""

import shutil
import tomllib
from pathlib import Path

from rehearsal.errors import RehearsalError

HERE = Path(__file__).parent
APPLICATION = HERE / "application"
RELEASES = HERE / "releases"
ABOUT = "release.toml"
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "ruff.toml")


def known_tags(releases: Path = RELEASES) -> list[str]:
    """Return the tags of all releases that can be built, oldest first."""
    return sorted(about.parent.name for about in releases.glob(f"*/{ABOUT}"))


def layers(tag: str, releases: Path = RELEASES) -> list[Path]:
    """Return the folders of a release, in the order in which they are copied over the application.

    `upon` in release.toml names the releases whose files it includes; its own folder comes last. Raises
    RehearsalError for an unknown tag.
    """
    if tag not in known_tags(releases):
        known = ", ".join(known_tags(releases))
        raise RehearsalError(f"no release is named {tag}; known: {known}")
    about = tomllib.loads((releases / tag / ABOUT).read_text())
    below = [folder for other in about.get("upon", []) for folder in layers(other, releases)]
    return [*below, releases / tag]


def assemble(tag: str, into: Path, *, application: Path = APPLICATION, releases: Path = RELEASES) -> None:
    """Copy the source of a release into an empty or missing folder.

    The release's files replace the application's, or are added. Modes do not depend on the umask of the checkout,
    because the image's user is not root. Raises RehearsalError for an unknown tag.
    """
    for folder in (application, *layers(tag, releases)):
        shutil.copytree(folder, into, ignore=LEFT_OUT, dirs_exist_ok=True)
    (into / ABOUT).unlink()
    make_readable(into)


def make_readable(folder: Path) -> None:
    """Set the modes that git knows: 755 for folders and executable files, 644 for other files."""
    for path in [folder, *folder.rglob("*")]:
        program = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if program else 0o644)
