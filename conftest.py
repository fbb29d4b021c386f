"""The plugins that make pytest behave as a runbook, and the modules with its steps."""

pytest_plugins = [
    "harness.options",
    "harness.hosts.scenarios",
    "harness.collection.order",
    "harness.collection.guards",
    "harness.ci.annotations",
    "harness.session.lifecycle",
    "harness.collection.nothing_run",
    "harness.session.reporting",
    "harness.session.step_hooks",
    "harness.ci.junit",
    "harness.html.page",
    "harness.html.index_hook",
    "rehearsal.plugin",
    "steps.before_deploy",
    "steps.identify_target",
    "steps.roll_back_application",
    "steps.handle_migrations",
    "steps.emergency_disablement",
    "steps.post_rollback_validation",
    "steps.restore",
]
