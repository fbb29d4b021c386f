"""What the settings leave out: its steps are not configured, and what follows from that is said with each of them."""

from enum import Enum


class Absent(Enum):
    """A part that the settings leave out, by its section or key, with what follows from that."""

    ANNOUNCEMENT = "announcement", "nobody is told by the runbook: tell people yourself"
    DATABASE = "database", "the schema is not looked at, and no restore point can be taken"
    GATE = "traffic.pause", "no gate holds users back: they meet the switch while containers are replaced"
    HEALTH = "health", "the application is not asked: only its containers' own health checks tell how it is"
    INCIDENT_LOG = "incident_log", "what was applied stands in the record alone"
    LIVENESS = "health.liveness_path", "whether the process answers shows in its containers' own health checks alone"
    METRICS = "metrics", "metrics are not scraped"
    METRICS_TOKEN = "metrics.token", "the page is open to whoever reaches it, as far as the settings say"
    MIGRATIONS = "migrations.tool", "the settings say that the application has no migrations: none are looked at"
    MODELS = "migrations.tool", "an application's own migration commands do not tell what its code maps"
    PUBLIC_ADDRESS = "traffic", "nobody looks at what users get, and their downtime is not measured"
    RESTORE_POINT = "database", "no restore point can be taken, so the schema cannot go back"
    SWITCHES = "switches", "there is nothing that could be turned off"
    TICKET = "ticket", "no follow-up ticket is opened"

    def __init__(self, key: str, follows: str) -> None:
        self.key = key
        self.follows = follows

    @property
    def seen(self) -> str:
        """That it is left out, in words."""
        if self in (Absent.MIGRATIONS, Absent.MODELS):
            return f"{self.key} says so"
        return f"the settings have no {self.key}" if "." in self.key else f"the settings have no section [{self.key}]"

    @property
    def told(self) -> str:
        """That it is left out, and what follows."""
        return f"{self.seen}: {self.follows}"
