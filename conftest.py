"""Which plugins make pytest behave as a runbook, and which modules hold its sentences."""

pytest_plugins = [
    "harness.options",
    "harness.collecting",
    "harness.refusing",
    "harness.running",
    "harness.nothing_run",
    "harness.reporting",
    "harness.sentences",
    "harness.page",
    "harness.archiving",
    "rehearsal.plugin",
    "steps.identify_target",
    "steps.roll_back_application",
    "steps.handle_migrations",
    "steps.emergency_disablement",
    "steps.post_rollback_validation",
]
