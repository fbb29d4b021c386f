"""The content of releases, and CI's edit that sets a release in the env file."""

from pathlib import Path

import pytest

from rehearsal.env_file import set_tag
from rehearsal.errors import RehearsalError
from rehearsal.images.parts import content_hash
from rehearsal.releases import APPLICATION, assemble, known_tags, layers


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An application and three releases."""
    return write(
        tmp_path,
        {
            "application/app/a.py": "a",
            "application/app/b.py": "b",
            "application/app/__pycache__/a.pyc": "x",
            "application/ruff.toml": "x",
            "releases/one/release.toml": "",
            "releases/two/release.toml": "",
            "releases/two/app/b.py": "changed",
            "releases/two/migrations/versions/0004.py": "new",
            "releases/three/release.toml": 'upon = ["two"]',
            "releases/three/app/a.py": "corrected",
        },
    )


def test_a_release_is_the_application_with_its_own_files_over_it(source: Path, tmp_path: Path) -> None:
    """A release's files replace or add to the application's; caches and tool settings are left out."""
    for tag in ("one", "two"):
        assemble(tag, tmp_path / tag, application=source / "application", releases=source / "releases")
    assert files_of(tmp_path / "one") == {"app/a.py": "a", "app/b.py": "b"}
    assert layers("one", source / "releases") == [source / "releases/one"]
    assert files_of(tmp_path / "two") == {
        "app/a.py": "a",
        "app/b.py": "changed",
        "migrations/versions/0004.py": "new",
    }


def test_a_release_can_build_upon_another(source: Path, tmp_path: Path) -> None:
    """The files of the release below come first, and the release's own files replace them."""
    assemble("three", tmp_path / "three", application=source / "application", releases=source / "releases")
    assert files_of(tmp_path / "three") == {
        "app/a.py": "corrected",
        "app/b.py": "changed",
        "migrations/versions/0004.py": "new",
    }


def test_everybody_may_read_an_assembled_release(source: Path, tmp_path: Path) -> None:
    """A checkout with a strict umask gives the same image, whose user (not root) can read every file."""
    (source / "application/app/a.py").chmod(0o600)
    assemble("two", tmp_path / "two", application=source / "application", releases=source / "releases")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "two").rglob("*")}
    assert modes["a.py"] == 0o644
    assert modes["app"] == 0o755


def test_an_unknown_release_is_refused_with_those_that_there_are(source: Path, tmp_path: Path) -> None:
    """An unknown release is refused with its tag and the known tags."""
    with pytest.raises(RehearsalError, match="no release is named four; known: one, three, two"):
        assemble("four", tmp_path / "four", releases=source / "releases")


def test_a_release_changes_only_what_it_has_to() -> None:
    """No file of a release is identical to the file that it replaces."""
    for tag in known_tags():
        *below, own = layers(tag)
        for path in (path for path in own.rglob("*") if path.is_file() and path.name != "release.toml"):
            originals = [folder / path.relative_to(own) for folder in (APPLICATION, *below)]
            found = [original for original in originals if original.exists()]
            assert not found or found[-1].read_bytes() != path.read_bytes(), path


def test_ci_changes_the_tag_and_nothing_else(tmp_path: Path) -> None:
    """Comments, the commented-out line, the mode and the owner stay."""
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"#IMAGE_TAG=old\nA='x'\nIMAGE_TAG=one  # by CI\nexport B=IMAGE_TAG=one\r\n")
    env_file.chmod(0o640)
    before = env_file.stat()
    set_tag(env_file, "2025-12-18-rc1")
    assert env_file.read_bytes() == (
        b"#IMAGE_TAG=old\nA='x'\nIMAGE_TAG=2025-12-18-rc1  # by CI\nexport B=IMAGE_TAG=one\r\n"
    )
    after = env_file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert list(tmp_path.iterdir()) == [env_file]


@pytest.mark.parametrize("text", ["", "#IMAGE_TAG=one\n", "IMAGE_TAG=one\nIMAGE_TAG=two\n"])
def test_ci_refuses_an_env_file_that_is_not_clear(tmp_path: Path, text: str) -> None:
    """An env file with no line or two lines that set the tag is refused and not changed."""
    env_file = write(tmp_path, {".env": text}) / ".env"
    with pytest.raises(RehearsalError, match="lines set IMAGE_TAG, expected 1"):
        set_tag(env_file, "three")
    assert env_file.read_text() == text


def test_a_tag_of_an_image_follows_what_the_image_is_made_of(tmp_path: Path) -> None:
    """Content and modes of files and the base change the hash; caches do not."""
    folder = write(tmp_path / "part", {"Dockerfile": "FROM x", "start": "go"})
    first = content_hash([folder], "base")
    write(folder, {"__pycache__/x.pyc": "x", ".ruff_cache/x": "x"})
    assert content_hash([folder], "base") == first
    assert content_hash([folder], "another base") != first
    (folder / "start").chmod(0o755)
    second = content_hash([folder], "base")
    assert second != first
    (folder / "start").write_text("went")
    assert content_hash([folder], "base") not in {first, second}
