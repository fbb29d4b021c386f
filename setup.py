"""What pyproject.toml cannot say: the wheel holds the features too, and what makes pytest run them where they lie."""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class WithFeatures(build_py):
    """Puts the features into the package, beside them pytest's settings and the list of plugins."""

    def run(self) -> None:
        """Build the modules, then `runbook/features/`."""
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "runbook" / "features"
        folder.mkdir(parents=True, exist_ok=True)
        for path in (*HERE.glob("features/*.feature"), HERE / "pyproject.toml"):
            copyfile(path, folder / path.name)
        # Rehearsals need the checkout.
        plugins = (HERE / "conftest.py").read_text(encoding="utf-8").replace('    "rehearsal.plugin",\n', "")
        (folder / "conftest.py").write_text(plugins, encoding="utf-8")


setup(cmdclass={"build_py": WithFeatures})
