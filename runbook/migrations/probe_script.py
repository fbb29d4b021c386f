"""Fed to the Python of an application's image: prints what its migrations are, as JSON.

It runs where neither this project nor a database is, on any Python from 3.6 on and any Alembic from 1.0 on, so it
uses nothing else. It never runs the project's env.py.
"""

import json
import sys


def main(config_path: str) -> None:
    """Print the revision graph that `config_path` names: heads, and each revision with those it builds upon."""
    from alembic.config import Config  # type: ignore[import-not-found]  # noqa: PLC0415 - only images have it
    from alembic.script import ScriptDirectory  # type: ignore[import-not-found]  # noqa: PLC0415 - the same

    scripts = ScriptDirectory.from_config(Config(config_path))
    revisions = []
    for script in scripts.walk_revisions():
        down = script.down_revision or ()
        revisions.append({"revision": script.revision, "down": [down] if isinstance(down, str) else list(down)})
    print(json.dumps({"heads": list(scripts.get_heads()), "revisions": revisions}))  # noqa: T201 - its answer


main(sys.argv[1])
