"""Plugins that were left out with `-p no:`, though the runbook cannot do without them."""

import pytest

_OWN = ("harness", "steps", "rehearsal")
#: Those of others without which the runbook's own do not see what happens, or cannot keep it.
_NEEDED = ("pytest-bdd", "html", "metadata", "terminal", "capture", "python")


def blocked(config: pytest.Config) -> list[str]:
    """Say, a line each, which plugin was left out with `-p no:` that the runbook cannot do without."""
    names = [word[3:] for word in config.option.plugins if word.startswith("no:")]
    return [
        f"-p no:{name}: the runbook does not see what happens without it → leave -p no:{name} out"
        for name in dict.fromkeys(names)
        if name in _NEEDED or name.partition(".")[0] in _OWN
    ]
