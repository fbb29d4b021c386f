"""Whether an image migrates when it starts: on a newer database it dies at "Can't locate revision" (trap 3)."""

import json
from typing import Any

from runbook.errors import Inconclusive
from runbook.host import Command
from runbook.release import Release
from runbook.sentence import Expectation, Seen
from runbook.toolbox import Toolbox

# Reads what the start command names: scripts by their path, modules by their name. It runs nothing of the image's.
_READER = """
import importlib.util, json, os, re, sys
argv, sign = json.loads(sys.argv[1]), re.compile(sys.argv[2])
places, found = list(argv), []
for before, word in zip(argv, argv[1:]):
    if before == "-m":
        spec = importlib.util.find_spec(word.split(":")[0]) if "." not in word else None
        places.append(spec.origin if spec and spec.origin else word.replace(".", "/") + ".py")
places += [word.split(":")[0].replace(".", "/") + ".py" for word in argv if ":" in word]
if sign.search(" ".join(argv)):
    found.append("the start command itself")
for place in places:
    for path in (place, os.path.join("/usr/local/bin", place), os.path.join("/usr/bin", place)):
        if os.path.isfile(path) and os.path.getsize(path) < 1000000:
            with open(path, errors="replace") as file:
                if path not in found and sign.search(file.read()):
                    found.append(path)
            break
print(json.dumps(found))
"""
_SIGN = r"alembic\s+(?:-\S+\s+(?:\S+\s+)?)*upgrade|command\.upgrade\s*\(|alembic\.command"


def migrates_not_at_start(tools: Toolbox, release: Release) -> Expectation:
    """That no service of `release` migrates when it starts, as far as its start command and what that names tell."""

    def look() -> Seen:
        services = tools.production.services(release.tag)
        seen = []
        for name in release.digests:
            argv = _start_command(tools, release.pinned(name), services[name])
            seen += [f"{name} migrates in {place}" for place in _ask(tools, release.pinned(name), argv)]
        return Seen(not seen, "; ".join(seen) or f"none of {', '.join(release.digests)} migrates at start", final=True)

    return Expectation(
        "a target that does not migrate when it starts, because the database is newer than it knows",
        look,
        "ship a forward-fix, and name it with --forward-fix TAG; this target would crash at every start",
        acceptable=False,
    )


def _start_command(tools: Toolbox, image: str, service: dict[str, Any]) -> list[str]:
    inspect = ("docker", "image", "inspect", "--format", "{{json .Config}}", image)
    config = json.loads(tools.host.check(tools.production.command(*inspect)).text)
    entrypoint = service.get("entrypoint") or config.get("Entrypoint") or []
    command = service.get("command") or config.get("Cmd") or []
    return [str(word) for word in (*entrypoint, *command)]


def _ask(tools: Toolbox, image: str, argv: list[str]) -> list[str]:
    settings = tools.settings.migrations
    asking = (
        "docker", "run", "--rm", "--interactive", "--network", "none", "--pull", "never",
        "--entrypoint", settings.python, image, "-", json.dumps(argv), _SIGN,
    )  # fmt: skip
    answer = tools.host.run(Command(asking, tools.settings.deadlines.command, stdin=_READER.encode()))
    try:
        found: list[str] = json.loads(answer.text.splitlines()[-1])
    except (ValueError, IndexError):
        raise Inconclusive(
            f"how {image} starts could not be read: {answer.last_words}", "look at its start command by hand"
        ) from None
    return found
