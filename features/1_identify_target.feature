@all_hosts
Feature: 1. Identify the rollback target
  When to use it: a production deploy went bad, and the release before it worked.
  Who may run it: whoever may deploy to production.
  What it cannot undo: nothing; it looks, and it pulls images, which changes nothing that runs.

  @provides:production-recorded
  Scenario: Production is recorded before any change
    Given the Compose project is up on the production host
    And the production host has disk space for another release
    And IMAGE_TAG in the env file decides which release runs
    And the env file can be replaced
    Then the state of production before any change is on record

  @needs:production-recorded @provides:gate-and-health-usable
  Scenario: The traffic gate, /healthz and /readyz can be used
    Given the traffic gate and the public address agree
    And traffic can be paused and resumed
    And /healthz and /readyz are reachable

  @needs:production-recorded @provides:target-pinned
  Scenario: The last known-good image tag becomes the target
    Given the last known-good image tag
    When the images of the target are pulled
    Then the production host holds the target at its pinned digests

  @needs:target-pinned @provides:switch-known
  Scenario: The other effects of the switch are known
    Given the Compose files that production was started with
    Then configuration drift since the target was validated is on record
    And the configuration for the target is decided
    And every service that depends on the application is named
    And bringing up the target changes no other service

  @needs:switch-known @needs:gate-and-health-usable @provides:strategy-decided
  Scenario: The verdict on the migrations decides the strategy
    Given the schema revision of the database
    And the migrations that the target includes
    And the migrations that the failed release added
    Then the verdict decides the strategy
    And the switch mode is decided
