"""`runbook settings`: check the settings file and list the parts that are not configured, or print the JSON Schema."""

import argparse
import json
from pathlib import Path
from typing import Any

from runbook.settings.absent import Absent
from runbook.settings.loading.loader import load
from runbook.settings.schema import Settings

SETTINGS = Path("runbook.toml")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `settings`."""
    parser.add_argument("--settings", type=Path, default=SETTINGS, metavar="PATH", help="the settings file")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of settings files, for editors")
    parser.set_defaults(run=check)


def check(chosen: argparse.Namespace) -> str:
    """Check the file or make the schema, and return the output. Raises SettingsError with every mistake in the file."""
    if chosen.schema:
        return json.dumps(json_schema(), indent=2)
    settings = load(chosen.settings)
    lines = [f"{chosen.settings}: settings of {settings.project.name} in {settings.project.directory}, no mistakes"]
    left_out = absent_from(settings)
    lines += ["not configured:"] if left_out else ["every part is configured"]
    return "\n".join([*lines, *(f"  {each.key}: {each.follows}" for each in left_out)])


def absent_from(settings: Settings) -> list[Absent]:
    """Return the parts that these settings leave out."""
    unchecked = settings.unchecked_migrations
    gate = Absent.PUBLIC_ADDRESS if settings.traffic is None else None if settings.traffic.gate else Absent.GATE
    metrics = settings.metrics
    found = {
        unchecked: unchecked is not None,
        Absent.RESTORE_POINT: settings.database is None and settings.migrations.tool == "own",
        gate: gate is not None,
        Absent.HEALTH: settings.health is None,
        Absent.METRICS: metrics is None,
        Absent.METRICS_TOKEN: metrics is not None and metrics.token is None,
        Absent.SWITCHES: not settings.switches,
        Absent.ANNOUNCEMENT: settings.announcement is None,
        Absent.TICKET: settings.ticket is None,
        Absent.INCIDENT_LOG: settings.incident_log is None,
    }
    return [absent for absent, so in found.items() if so and absent]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of settings files; `docs/settings.schema.json` is a copy."""
    found = Settings.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "rollback-runbook settings", **found}
