Feature: 6. Restore a restore point
  When to use it: rows are lost or damaged, or a migration stopped half-way, and a dump on the host holds what is needed.
  Who may run it: whoever may deploy to production.
  What it cannot undo: an announcement that was read. Nothing is destroyed: the database that was live is kept under another name, with all that was written since the dump.

  @restore @until:restored-beside @provides:dump-fits
  Scenario: The dump can be restored here
    Given the dump is whole and reads back
    And the dump is of this database
    And the server has the roles and extensions that the dump needs
    And there is disk space for a second database
    And traffic can be paused and resumed
    Then the state of production before any change is on record

  @restore @until:live-kept @needs:dump-fits @provides:restored-beside
  Scenario: The dump is restored beside the live database
    Given the dump is whole and reads back
    When the dump is restored into a database beside the live one
    Then the restored database has every table of the dump

  @restore @until:live-kept @needs:restored-beside @provides:live-kept
  Scenario: The live database is idle and has a restore point
    Given the restored database is whole
    When traffic is paused
    And the services that use the database are stopped
    And a restore point of the live database is taken
    Then the restore point of the live database reads back

  @restore @needs:live-kept @provides:restored
  Scenario: The restored database takes the place of the live one
    Given the restored database is whole
    When the dump in the database container is removed
    And the restored and the live database swap names
    Then the live database is the restored one
    And the row counts of both databases are on record

  @all_hosts @restore @needs:restored
  Scenario: The restore is announced
    Given the state of production after the restore is on record
    When the applied action is documented in the incident log
    And the restore is announced in the incident channel
