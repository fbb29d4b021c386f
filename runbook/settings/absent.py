"""The parts that settings may leave out. Their steps are `not configured`, and show the consequence."""

from enum import Enum


class Absent(Enum):
    """A part that the settings leave out, by its section or key, with the consequence."""

    ANNOUNCEMENT = "announcement", "the runbook announces nothing: tell people yourself"
    DATABASE = "database", "the schema is not checked, and no restore point can be taken"
    GATE = "traffic.pause", "there is no traffic gate: requests can fail while containers are replaced"
    HEALTH = "health", "the application's health is judged only by its containers' health checks"
    INCIDENT_LOG = "incident_log", "the applied action is only in the record"
    LIVENESS = "health.liveness_path", "liveness is judged only by the containers' health checks"
    METRICS = "metrics", "metrics are not scraped"
    METRICS_TOKEN = "metrics.token", "by the settings, anybody who reaches the page can read it"
    MIGRATIONS = "migrations.tool", "the settings say that the application has no migrations: none are checked"
    MODELS = "migrations.tool", "an application's own migration commands do not show its models"
    PUBLIC_ADDRESS = "traffic", "the answers to users are not checked, and downtime is not measured"
    RESTORE_POINT = "database", "no restore point can be taken, so the schema cannot go back"
    SWITCHES = "switches", "there is no kill switch to turn off"
    TICKET = "ticket", "no follow-up ticket is opened"

    def __init__(self, key: str, follows: str) -> None:
        self.key = key
        self.follows = follows

    @property
    def seen(self) -> str:
        """The statement that it is left out."""
        if self in (Absent.MIGRATIONS, Absent.MODELS):
            return f"{self.key} says so"
        return f"the settings have no {self.key}" if "." in self.key else f"the settings have no section [{self.key}]"

    @property
    def told(self) -> str:
        """The statement that it is left out, and the consequence."""
        return f"{self.seen}: {self.follows}"
