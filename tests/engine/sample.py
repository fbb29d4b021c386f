"""The engine tests that `script/test` leaves out, so that it takes minutes. `--campaigns` runs all of them.

By default one incident of each ending runs (rolled back, downgraded, gone forward, held, switched off), and a sample of
everything else. Tests that are left out are more of the same kind, other moments of a kill, other parts left out of the
settings, or also covered by tests without the engine. A new test runs by default until it is listed here.
"""

from typing import Final

#: By the beginning of their names below tests/engine.
LEFT_OUT: Final = (
    "test_async_env.py",
    "test_behind_the_gate.py::test_request_that_does_not_fit_is_told",
    "test_beside.py::test_abandoned_it_leaves_the_failed_release_as_it_was",
    "test_beside.py::test_container_that_does_not_stay_healthy_is_met_by_users[behind",
    "test_beside.py::test_end_is_that_behind_the_gate",
    "test_beside.py::test_held_gate_is_proved",
    "test_beside.py::test_switch_adds_no_failure[options1-behind-closed-gate]",
    "test_bridge_in_production.py::test_before_a_deploy",
    "test_bridge_in_production.py::test_lock_that_another_holds",
    "test_bridge_in_production.py::test_none_is_proposed",
    "test_bridge_in_production.py::test_tried_on_one_copy_and_once",
    "test_bridge_incident.py",
    "test_by_hand.py",
    "test_configuration_drift.py::test_plan_names_what_differs",
    "test_configuration_drift.py::test_plan_with_the_configuration_decides_and_changes_nothing",
    "test_configuration_drift.py::test_rollback_leaves_it_and_keeps_it_anew",
    "test_entrance.py::TestDatabaseElsewhere",
    "test_entrance.py::TestPartsLeftOut",
    "test_export_leak.py::TestExportLeak::test_gate_that_cannot_hold_is_left_alone",
    "test_export_leak.py::TestExportLeak::test_stopped_while_requests_wait",
    "test_export_leak.py::TestExportLeak::test_switched_off_and_on_in_a_store",
    "test_export_leak.py::TestExportLeak::test_unknown_switch",
    "test_image_probe.py",
    "test_incidents.py::TestAdditiveMigration::test_post_deploy_is_strict_without_that_evidence",
    "test_incidents.py::TestBreakingMigration::test_held_with_another_revision",
    "test_incidents.py::TestBreakingMigration::test_held_without_acceptance",
    "test_incidents.py::TestForwardFix::test_migrations_that_do_not_continue",
    "test_incidents_asking.py",
    "test_incidents_held.py",
    "test_incidents_stopped.py",
    "test_labelled.py",
    "test_last_look.py",
    "test_other_engine_addresses.py",
    "test_pre_deploy.py",
    "test_schema_trial.py",
    "test_ssh_incidents.py",
    "test_ssh_regression.py::test_plan_leaves_not_one_byte",
    "test_start_trial.py",
    "test_stopped_by_sigkill.py",
    "test_stopped_downgrade.py",
    "test_target_sources.py::test_target_from_an_archive_of_build_logs",
    "test_two_at_once.py",
    "test_written_runbook.py",
)
#: Exceptions from the list above: the sample.
SAMPLE: Final = (
    "test_async_env.py::test_tried_on_a_copy[drops",
    "test_behind_the_gate.py::test_request_that_does_not_fit_is_told[path",
    "test_bridge_in_production.py::test_before_a_deploy[demands",
    "test_image_probe.py::test_practice_application",
    "test_incidents_held.py::TestIrreversibleMigration::test_held",
    "test_pre_deploy.py::test_breaking_release_with_a_downgrade",
    "test_pre_deploy.py::test_quarantined_release_is_refused_before_it_is_deployed",
    "test_schema_trial.py::test_a_way_back_that_is_none[order",
    "test_schema_trial.py::test_env_py_that_refuses_offline_is_decided[drops",
    "test_start_trial.py::test_target_that_lives_with_the_schema",
    "test_start_trial.py::test_target_that_migrates[creates",
)


def left_out(nodeid: str) -> bool:
    """Return whether that test runs only with `--campaigns`.

    >>> left_out("tests/engine/test_by_hand.py::test_plan_is_carried_out_as_it_says")
    True
    >>> left_out("tests/engine/test_regression.py::test_plan_changes_nothing")
    False
    """
    name = nodeid.removeprefix("tests/engine/")
    return name.startswith(LEFT_OUT) and not name.startswith(SAMPLE)
