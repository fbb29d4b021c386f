"""Which edition of the page's makers is at work: another one may make another page of the same journal."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

_HERE = Path(__file__).parent
#: What turns a template into HTML besides.
_PACKAGES = ("jinja2", "markupsafe")
#: What the code beside this takes words and numbers from.
_BESIDES = ("availability.py", "lock.py", "sentence.py")


@cache
def edition() -> str:
    """A SHA-256 over the templates, the code that they are filled by, and the versions of what fills them."""
    digest = hashlib.sha256(" ".join(version(name) for name in _PACKAGES).encode("ascii"))
    for path in sorted((*_HERE.glob("*.py"), *_HERE.glob("templates/*"), *(_HERE.parent / name for name in _BESIDES))):
        content = path.read_bytes()
        digest.update(f"\n{path.relative_to(_HERE.parent)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
