@until:rolled-back
Feature: 2. Roll back the application version
  When to use it: the target is pinned. With a breaking migration, chapter 3 does its part in between.
  Who may run it: whoever may deploy to production.
  What it cannot undo: requests that are refused while traffic is paused are lost to users.

  @strategy:image-only @needs:strategy-decided @provides:ready-to-change @provides:schema-ready
  Scenario: The migration is kept, and only the application image is reverted
    Given the pinned target
    And the schema change is backward compatible
    Then the target can start on the current schema

  @needs:ready-to-change @provides:failed-release-quarantined
  Scenario: The failed release is quarantined
    Given the digests of the failed release
    When the rollback is recorded on the production host
    And the failed release is quarantined
    Then the failed release is in quarantine
    And the target is not in quarantine

  @before_schema @needs:failed-release-quarantined @switch:behind-closed-gate @provides:traffic-paused
  Scenario: Traffic is paused
    Given the pinned target
    When traffic is paused
    Then the traffic gate lets no request through
    And no request reaches the application

  @needs:traffic-paused @needs:schema-ready @switch:behind-closed-gate @provides:target-running
  Scenario: The target replaces the failed release
    Given the pinned target
    When IMAGE_TAG in the env file is set to the target
    And api and jobs are brought up on the target
    Then every api and jobs container runs the pinned digest
    And every api and jobs container is healthy
    And no other service was recreated

  @needs:target-running @switch:behind-closed-gate @provides:smoke-tested
  Scenario: The target passes the smoke test while traffic is paused
    Given the pinned target
    Then no request reaches the application
    And /healthz answers at every api container
    And /readyz answers at every api container
    And nothing but IMAGE_TAG has changed in the env file
    And a later docker compose up recreates nothing

  @switch:behind-closed-gate @needs:smoke-tested @provides:rolled-back
  Scenario: Traffic is resumed to the target
    Given the pinned target
    When traffic is resumed
    Then the traffic gate is open
    And the public address serves the target

  @switch:beside @needs:failed-release-quarantined @needs:schema-ready @provides:target-beside
  Scenario: The target is started beside the failed release
    Given the pinned target
    When IMAGE_TAG in the env file is set to the target
    And api is started on the target beside the failed release
    And jobs are stopped, and brought up on the target
    Then the target has as many containers as the failed release, on the pinned digests
    And every container of the target is healthy

  @switch:beside @needs:target-beside @provides:target-proven
  Scenario: The target passes the smoke test beside the failed release
    Given the pinned target
    Then /healthz answers at every api container of the target
    And /readyz answers at every api container of the target
    And nothing but IMAGE_TAG has changed in the env file

  @switch:beside @needs:target-proven @provides:target-in-place
  Scenario: The target takes the failed release's place
    Given the pinned target
    When traffic is held
    And the failed api containers are taken out of service
    And held traffic is released to the target
    Then the traffic gate is open
    And the public address serves the target
    And every container of the target stays healthy

  @switch:beside @needs:target-in-place @provides:rolled-back
  Scenario: Nothing of the failed release is left
    Given the pinned target
    When the failed api containers are removed
    Then every api and jobs container runs the pinned digest
    And no other service was recreated
    And a later docker compose up recreates nothing

  @abandon @provides:failed-release-back
  Scenario: The switch beside the failed release is abandoned
    Given every container of the failed release still serves
    When IMAGE_TAG in the env file is set back to the failed release
    And the containers of the target are removed
    And jobs are stopped, and brought up on the failed release
    And held traffic is released to the failed release
    And the rollback is closed on the production host

  @abandon @needs:failed-release-back @provides:abandoned
  Scenario: The failed release serves as before
    Given every container of the failed release still serves
    Then api and jobs run only the failed release
    And the failed release is in quarantine
    And the traffic gate is open
    And no rollback is open on the production host

  @all_hosts @abandon @needs:abandoned
  Scenario: The abandoned switch is announced
    Given every container of the failed release still serves
    When the abandoned switch is documented in the incident log
    And the abandoned switch is announced in the incident channel
