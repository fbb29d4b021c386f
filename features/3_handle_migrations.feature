@until:rolled-back
Feature: 3. Handle migrations
  When to use it: the target's code cannot work with the schema that the failed release left.
  Who may run it: whoever may deploy to production; the person who runs it accepts a data loss by name.
  What it cannot undo: what a downgrade, or a forward-fix, destroys. The restore point has it.

  @strategy:downgrade @needs:strategy-decided @provides:ready-to-change
  Scenario: A person accepts what the downgrade destroys
    Given the pinned target
    And a downgrade() for every revision to undo
    And the downgrade command starts in the image of the failed release
    And a restore point can be taken
    And an existing bridge can be removed
    And there is disk space for a restore point
    Then a person has accepted the data loss by name

  @strategy:forward-fix @needs:strategy-decided @provides:ready-to-change
  Scenario: A person accepts what the forward-fix destroys
    Given the pinned target
    And the upgrade command starts in the image of the forward-fix
    And a restore point can be taken
    And an existing bridge can be removed
    And there is disk space for a restore point
    Then a person has accepted the data loss by name

  @strategy:downgrade @strategy:forward-fix @needs:traffic-paused @provides:restore-point
  Scenario: A restore point is taken before the schema changes
    Given the pinned target
    When the application is stopped
    And a restore point is taken
    Then the restore point reads back

  @strategy:downgrade @needs:restore-point @provides:schema-ready
  Scenario: The downgrade runs in isolation
    Given a downgrade() for every revision to undo
    When the dump in the database container is removed
    And an existing bridge is removed
    And the rows that the downgrade destroys are saved separately
    And the schema is downgraded with the image of the failed release
    Then the database is at the head of the target
    And the database has every table and column that the target maps

  @strategy:forward-fix @needs:restore-point @provides:schema-ready
  Scenario: The forward-fix migration runs
    Given the pinned target
    When the dump in the database container is removed
    And an existing bridge is removed
    And the schema is upgraded with the image of the forward-fix
    Then the database is at the head of the forward-fix

  @strategy:bridge @needs:strategy-decided @provides:ready-to-change
  Scenario: A person has chosen to relax the schema for the target
    Given the pinned target
    And the bridge was applied to and removed from a copy of the schema
    Then the target can start on the current schema

  @strategy:bridge @needs:traffic-paused @provides:schema-ready
  Scenario: The schema is relaxed while traffic is paused
    Given the bridge was applied to and removed from a copy of the schema
    When the bridge is recorded on the production host
    And the schema is relaxed for the target
    Then the catalog matches the copy with the bridge
