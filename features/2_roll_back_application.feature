@until:rolled-back
Feature: 2. Roll back the application
  When to use it: the target is pinned, and its code can live with the schema of the database.
  Who may run it: whoever may deploy to production.
  What it cannot undo: requests that users send while the traffic gate is closed are lost to them.

  @strategy:image-only @needs:way-decided @provides:failed-release-barred
  Scenario: The failed release cannot come back unnoticed
    Given the digests of the failed release
    When the rollback is written down on the production host
    And the failed release is quarantined
    Then the failed release is in quarantine
    And the target is not in quarantine

  @strategy:image-only @needs:failed-release-barred @provides:users-kept-out
  Scenario: Users are kept out while the release is switched
    Given a pinned target
    When user traffic is paused
    Then the traffic gate is closed
    And users are kept out

  @strategy:image-only @needs:users-kept-out @provides:target-running
  Scenario: The target replaces the failed release behind the closed gate
    Given a pinned target
    When the env file is made to name the target
    And the application is brought up on the target
    Then every application container runs the pinned digest
    And every application container stays healthy
    And all other services kept their containers

  @strategy:image-only @needs:target-running @provides:target-proven
  Scenario: The target proves itself before users return
    Given a pinned target
    Then users are kept out
    And the api is live behind the gate
    And the api is ready behind the gate
    And the env file names the target and is otherwise as before
    And the files on the production host describe what runs

  @strategy:image-only @needs:target-proven @provides:rolled-back
  Scenario: Users return to the target
    Given a pinned target
    When user traffic is resumed
    Then the traffic gate is open
    And the public address serves the target
