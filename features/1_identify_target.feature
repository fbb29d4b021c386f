Feature: 1. Identify the rollback target
  When to use it: a production deploy went bad, and the release before it worked.
  Who may run it: whoever may deploy to production.
  What it cannot undo: nothing; it looks, and it fetches images, which changes nothing that runs.

  @provides:production-seen
  Scenario: Production is written down as it is
    Given the application is deployed on the production host
    And the production host has room for another release
    And the env file decides which release runs
    And the env file can be replaced
    Then production before any change is on record

  @needs:production-seen @provides:gate-tried
  Scenario: What is done and asked behind the gate can be done and asked
    Given the traffic gate and the public address say the same
    And traffic can be paused and resumed
    And the api can be asked whether it is live and ready

  @needs:production-seen @provides:target-pinned
  Scenario: The last known-good release becomes the target
    Given a release to return to
    When the images of the target are fetched
    Then the production host holds the target at its pinned digests

  @needs:target-pinned @provides:switch-known
  Scenario: What the switch to the target changes is known
    Given the files that production was made from
    Then everything that follows the application is named
    And bringing up the target would change nothing else

  @needs:switch-known @needs:gate-tried @provides:way-decided
  Scenario: The migrations between target and database decide the strategy
    Given the schema revision of the database
    And the migrations that the target knows
    And the migrations that the failed release brought
    Then the verdict decides the strategy
    And the target can start on the schema that it will find
