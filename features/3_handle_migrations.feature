@until:rolled-back
Feature: 3. Handle migrations
  When to use it: the target's code cannot live with the schema that the failed release left.
  Who may run it: whoever may deploy to production; a loss of data is accepted by name, by the person who runs it.
  What it cannot undo: what a downgrade, or a forward-fix, destroys. The restore point has it.

  @strategy:downgrade @needs:way-decided @provides:loss-accepted
  Scenario: What a downgrade would destroy is known and accepted
    Given a pinned target
    And a working downgrade for every revision to undo
    And the command that downgrades starts in the image of the failed release
    Then the loss is named and accepted

  @strategy:downgrade @needs:loss-accepted @provides:restore-point
  Scenario: Nothing is undone before the database can be restored
    Given a working downgrade for every revision to undo
    When the rollback is written down on the production host
    And the failed release is quarantined
    And user traffic is paused
    And the application is stopped
    And a restore point is taken
    Then the restore point reads back

  @strategy:downgrade @needs:restore-point @provides:schema-back
  Scenario: The schema goes back to what the target knows
    Given a working downgrade for every revision to undo
    When the dump inside the database's container is removed
    And the schema is downgraded with the image of the failed release
    Then the database is at the head of the target
    And the schema is what the code of the target maps

  @strategy:downgrade @needs:schema-back @provides:target-on-schema
  Scenario: The target takes its place on its own schema
    Given a pinned target
    When the env file is made to name the target
    And the application is brought up on the target
    Then every application container runs the pinned digest
    And every application container stays healthy
    And all other services kept their containers

  @strategy:forward-fix @needs:way-decided @provides:loss-accepted
  Scenario: What a forward-fix would destroy is known and accepted
    Given a pinned target
    And the command that migrates starts in the image of the forward-fix
    Then the loss is named and accepted

  @strategy:forward-fix @needs:loss-accepted @provides:restore-point
  Scenario: Nothing is migrated before the database can be restored
    Given a pinned target
    When the rollback is written down on the production host
    And the failed release is quarantined
    And user traffic is paused
    And the application is stopped
    And a restore point is taken
    Then the restore point reads back

  @strategy:forward-fix @needs:restore-point @provides:fix-migrated
  Scenario: The forward-fix brings the schema on
    Given a pinned target
    When the dump inside the database's container is removed
    And the schema is migrated with the image of the forward-fix
    Then the database is at the head of the forward-fix

  @strategy:forward-fix @needs:fix-migrated @provides:target-on-schema
  Scenario: The forward-fix takes the place of the failed release
    Given a pinned target
    When the env file is made to name the target
    And the application is brought up on the target
    Then every application container runs the pinned digest
    And every application container stays healthy
    And all other services kept their containers

  @strategy:downgrade @strategy:forward-fix @needs:target-on-schema @provides:target-proven-on-schema
  Scenario: Application and schema prove themselves before users return
    Given a pinned target
    Then users are kept out
    And the api is live behind the gate
    And the api is ready behind the gate
    And the env file names the target and is otherwise as before
    And the files on the production host describe what runs

  @strategy:downgrade @strategy:forward-fix @needs:target-proven-on-schema @provides:rolled-back
  Scenario: Users return to the target and its schema
    Given a pinned target
    When user traffic is resumed
    Then the traffic gate is open
    And the public address serves the target
