"""Signs that an image migrates when it starts, from its start command and the files that the command names.

A sign is evidence. The absence of signs proves nothing: `trial.py` then tries it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.chapters.context import Context
from runbook.errors import EngineError, Inconclusive
from runbook.migrations.image.contained import contained, run_contained
from runbook.production.compose import unescaped
from runbook.text import beginning, visible

_READER = Path(__file__).with_name("reader.py")
_MOST = 5  # places that are reported
_LONGEST = 200  # characters of a place


@dataclass(frozen=True)
class Signs:
    """Where migrations are run: commands that certainly run at the start (`commands`), and code that may (`code`).

    `unread` says why the image could not be read.
    """

    commands: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    unread: str = ""


def signs_of(context: Context, image: str, service: Mapping[str, Any]) -> Signs:
    """Read the files that the start command of `service` names in `image` (pinned). Only the image's Python runs."""
    argv = _start_command(context, image, service)
    given = {"path": (service.get("environment") or {}).get("PATH"), "directory": service.get("working_dir")}
    request = {"argv": argv} | {name: value if value is None else unescaped(value) for name, value in given.items()}
    # The start command may contain secrets, so it is passed on standard input, which is never recorded.
    call = f"import json\nprint(json.dumps(read(json.loads({json.dumps(request)!a}))))\n"
    program = f"{_READER.read_text(encoding='utf-8')}\n{call}".encode()
    python, deadline = context.settings.migrations.python, context.settings.deadlines.command
    command = contained(image, python, program=program, deadline=deadline, now=context.host.now())
    try:
        answer = run_contained(context.host, image, command)
    except Inconclusive as error:
        return Signs(unread=error.seen)
    try:
        if answer.exit_code == 0:
            found = json.loads(answer.text.splitlines()[-1])
            return Signs(_shown(found["commands"]), _shown(found["code"]))
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        pass
    why = f"exit code {answer.exit_code}: {beginning(visible(answer.last_line), _LONGEST)}"
    return Signs(unread=f"{python} in the image could not read it: {why}")


def _shown(places: Any) -> tuple[str, ...]:
    return tuple(beginning(visible(str(place)), _LONGEST) for place in list(places)[:_MOST])


def _start_command(context: Context, image: str, service: Mapping[str, Any]) -> list[str]:
    config = (context.production.image(image) or {}).get("Config")
    if not isinstance(config, dict):
        raise EngineError(f"the engine does not report the start command of {image}", f"docker image inspect {image}")
    # As in Compose and the engine, an entrypoint of the service discards the image's command.
    own = {part: [unescaped(word) for word in service.get(part) or ()] for part in ("entrypoint", "command")}
    entrypoint = own["entrypoint"] or config.get("Entrypoint") or []
    image_command = [] if own["entrypoint"] else config.get("Cmd") or []
    return [str(word) for word in (*entrypoint, *(own["command"] or image_command))]
