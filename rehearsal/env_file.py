"""The only edit that the team's CI makes to the env file."""

import os
import re
from pathlib import Path

from rehearsal.errors import RehearsalError


def set_tag(env_file: Path, tag: str) -> None:
    """Write a release's tag after IMAGE_TAG= and keep everything else, as `sed -i` does, including mode and owner.

    Raises RehearsalError unless exactly one line sets IMAGE_TAG.
    """
    before = env_file.read_bytes()
    after, count = re.subn(rb"(?m)^(IMAGE_TAG=)[^\s#]*", rb"\g<1>" + tag.encode(), before)
    if count != 1:
        raise RehearsalError(f"{env_file}: {count} lines set IMAGE_TAG, expected 1")
    old = env_file.stat()
    new = env_file.with_name(".env.new")
    new.write_bytes(after)
    new.chmod(old.st_mode & 0o7777)
    os.chown(new, old.st_uid, old.st_gid)
    new.replace(env_file)
