Feature: 5. Post-rollback validation
  When to use it: after every rollback, and after every deploy.
  Who may run it: whoever may deploy to production; the scenarios for every deploy change nothing that runs, so CI runs them.
  What it cannot undo: an announcement that was read.

  @post_deploy @after:rolled-back @provides:live-and-ready
  Scenario: The application serves users
    Given the application is deployed on the production host
    And the running release on its registry digests
    Then the running release is not in quarantine
    And every application container stays healthy
    And the api is live
    And the api is ready
    And the public address serves the running release

  @post_deploy @after:rolled-back @provides:metrics-scraped
  Scenario: Metrics open to the bearer of the token only
    Given the application is deployed on the production host
    Then metrics are scraped with the token
    And metrics are refused without the token

  @post_deploy @after:rolled-back @provides:logs-clean
  Scenario: Recent logs show no new errors
    Given the application is deployed on the production host
    Then recent logs show no new errors

  @post_deploy @needs:live-and-ready @needs:metrics-scraped @needs:logs-clean @provides:known-good
  Scenario: The release that passed is known good
    Given the running release on its registry digests
    When the running release is entered in the ledger
    Then the ledger names the running release

  @needs:rolled-back @needs:known-good @provides:people-told
  Scenario: People are told
    Given production after the rollback is on record
    And production runs the target as its files say, and serves users
    When the rollback is announced in the incident channel
    And a ticket for the forward-fix is opened
    Then the ticket can be found in the tracker

  @needs:people-told
  Scenario: The rollback is over
    Given production runs the target as its files say, and serves users
    When the rollback is closed on the production host
    Then no rollback is under way on the production host
