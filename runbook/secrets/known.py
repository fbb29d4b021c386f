"""What is secret in one production, learned from its settings and its env file."""

import contextlib
import os

from runbook.errors import RunbookError
from runbook.secrets.docker_logins import registry_logins
from runbook.secrets.redactor import Redactor, secrets_in
from runbook.settings.schema import Settings


def redactor_for(settings: Settings) -> Redactor:
    """A redactor that knows the secrets of this process's environment and those that the settings keep in files.

    Those of production are learned by `learn_production`, before anything is written.
    """
    redactor = Redactor()
    for variables in (os.environ, settings.host.environment):
        redactor.learn_all(secrets_in(variables, settings.record.secret_variables))
        redactor.learn_all(registry_logins({**os.environ, **variables}))
    learn_sources(settings, {}, redactor)
    return redactor


def learn_sources(settings: Settings, env_values: dict[str, str], redactor: Redactor) -> None:
    """Let `redactor` learn the secrets that the settings name, as far as they can be read."""
    for name, source in settings.secret_sources().items():
        # A secret that is not there is reported by who needs it; what cannot be read cannot leak.
        with contextlib.suppress(RunbookError):
            redactor.learn(name, source.resolve(env_values).get_secret_value())
