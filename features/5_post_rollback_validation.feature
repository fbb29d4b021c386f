Feature: 5. Post-rollback validation
  When to use it: after every rollback, and after every deploy.
  Who may run it: whoever may deploy to production; the scenarios for every deploy change nothing that runs, so CI runs them.
  What it cannot undo: an announcement that was read.

  @post_deploy @after:rolled-back @provides:live-and-ready
  Scenario: The application is live and ready
    Given the Compose project is up on the production host
    And the running release at its registry digests
    Then the running release is not in quarantine
    And every api and jobs container stays healthy
    And /healthz answers at every api container
    And /readyz answers at every api container
    And the public address serves the running release

  @post_deploy @after:rolled-back @provides:metrics-scraped
  Scenario: Metrics need the bearer token
    Given the Compose project is up on the production host
    Then metrics are scraped with the bearer token
    And metrics are refused without the bearer token

  @post_deploy @after:rolled-back @provides:logs-clean
  Scenario: Recent logs of api and jobs show no new errors
    Given the Compose project is up on the production host
    Then recent logs of api and jobs show no new errors

  @post_deploy @needs:live-and-ready @needs:metrics-scraped @needs:logs-clean @provides:known-good
  Scenario: The validated release becomes known good
    Given the running release at its registry digests
    When the running release is added to the ledger
    Then the ledger names the running release

  @all_hosts @needs:rolled-back @needs:known-good @provides:people-told
  Scenario: Rollback completion is announced
    Given the state of production after the rollback is on record
    And production runs the target and serves traffic
    When a follow-up ticket for the forward-fix is created
    And the applied action is documented in the incident log
    And rollback completion is announced in the incident channel
    Then the follow-up ticket is found in the tracker

  @all_hosts @needs:people-told
  Scenario: The rollback is closed
    Given production runs the target and serves traffic
    When the rollback is closed on the production host
    Then no rollback is open on the production host
