@until:rolled-back
Feature: 2. Roll back the application version
  When to use it: the target is pinned. With a breaking migration, chapter 3 does its part in between.
  Who may run it: whoever may deploy to production.
  What it cannot undo: requests that users send while traffic is paused are lost to them.

  @strategy:image-only @needs:strategy-decided @provides:ready-to-change @provides:schema-ready
  Scenario: The migration is kept, and only the application image is reverted
    Given the pinned target
    And the schema change is backward compatible
    Then the target starts on the schema as it is

  @needs:ready-to-change @provides:failed-release-quarantined
  Scenario: The failed release cannot come back unnoticed
    Given the digests of the failed release
    When the rollback is recorded on the production host
    And the failed release is quarantined
    Then the failed release is in quarantine
    And the target is not in quarantine

  @needs:failed-release-quarantined @provides:traffic-paused
  Scenario: Traffic is paused
    Given the pinned target
    When traffic is paused
    Then the traffic gate is closed
    And no request reaches the application

  @needs:traffic-paused @needs:schema-ready @provides:target-running
  Scenario: The target replaces the failed release
    Given the pinned target
    When IMAGE_TAG in the env file is set to the target
    And api and jobs are brought up on the target
    Then every api and jobs container runs the pinned digest
    And every api and jobs container stays healthy
    And no other service was recreated

  @needs:target-running @provides:smoke-tested
  Scenario: The target passes the smoke test while traffic is paused
    Given the pinned target
    Then no request reaches the application
    And /healthz answers at every api container
    And /readyz answers at every api container
    And nothing but IMAGE_TAG has changed in the env file
    And the Compose files describe what runs

  @needs:smoke-tested @provides:rolled-back
  Scenario: Traffic is resumed to the target
    Given the pinned target
    When traffic is resumed
    Then the traffic gate is open
    And the public address serves the target
