@all_hosts
Feature: 0. Before a deploy
  When to use it: before every deploy, with --release TAG; CI runs it.
  Who may run it: whoever may deploy to production.
  What it cannot undo: nothing; it looks, and it pulls images, which changes nothing that runs.

  @pre_deploy @provides:release-known
  Scenario: The release to deploy has not failed before
    Given the Compose project is up on the production host
    And the release that runs now
    And the release to deploy
    Then the release to deploy is not in quarantine

  @pre_deploy @needs:release-known @provides:release-held
  Scenario: The images of the release to deploy are on the host
    Given the production host has disk space for another release
    When the images of the release to deploy are pulled
    Then the production host holds the release to deploy at its pinned digests

  @pre_deploy @needs:release-held @provides:way-back-decided
  Scenario: The verdict on its migrations decides how a rollback would go
    Given the schema revision of the database
    And the migrations of the release that runs now
    And the migrations that the release to deploy adds
    Then the release to deploy continues the database's revision
    And the verdict decides the strategy

  @pre_deploy @strategy:image-only @needs:way-back-decided @provides:way-back
  Scenario: A rollback would revert only the application image
    Given the release that runs now
    Then it could start on the schema that the release to deploy leaves
    And the data loss of deploying and rolling back is stated

  @pre_deploy @strategy:downgrade @needs:way-back-decided @provides:way-back
  Scenario: A rollback would downgrade the schema
    Given the release to deploy has a downgrade() for every revision that it adds
    And the downgrade command starts in the image of the release to deploy
    Then the data loss of deploying and rolling back is stated
