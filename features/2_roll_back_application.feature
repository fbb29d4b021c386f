Feature: 2. Roll back the application
  When to use it: the target is pinned, and its code can live with the schema of the database.
  Who may run it: whoever may deploy to production.
  What it cannot undo: requests that users send while the traffic gate is closed are lost to them.

  @way:application @needs:way-decided @provides:target-running
  Scenario: The target replaces the failed release behind a closed gate
    Given a pinned target
    When user traffic is paused
    And the env file is made to name the target
    And the application is brought up on the target
    Then every application container runs the pinned digest
    And every application container stays healthy
    And all other services kept their containers

  @way:application @needs:target-running @provides:target-proven
  Scenario: The target proves itself before users return
    Given a pinned target
    Then users are still kept out
    And the api is live behind the gate
    And the api is ready behind the gate
    And the files on the production host describe what runs

  @way:application @needs:target-proven @provides:rolled-back
  Scenario: Users return to the target
    Given a pinned target
    When user traffic is resumed
    Then the traffic gate is open
    And the public address serves the target
