"""The team's own chapters, named in the settings: their folders and their step modules."""

import sys
from pathlib import Path

import pytest

from runbook.errors import SettingsError
from runbook.settings.schema import Settings


def take_own_chapters(config: pytest.Config, settings: Settings, beside: Path) -> None:
    """Collect the folders of `own.features_dirs`, and load `own.steps_modules` from the folder `beside`.

    Raises SettingsError, naming the key, for a folder without features and a module that cannot be loaded.
    """
    for folder in settings.own.features_dirs:
        if not any(folder.glob("*.feature")):
            raise SettingsError(f"own.features_dirs: no feature files in {folder}", "name a folder with .feature files")
        config.args.append(str(folder))
    if settings.own.steps_modules and str(beside) not in sys.path:
        sys.path.append(str(beside))
    for module in settings.own.steps_modules:
        try:
            config.pluginmanager.import_plugin(module)
        except Exception as error:
            cause = error.__cause__ or error
            raise SettingsError(
                f"own.steps_modules: {module} cannot be loaded from {beside} ({type(cause).__name__}: {cause})",
                "fix the module, or correct its name in the settings",
            ) from error
