Feature: 4. Emergency disablement for exports and reports
  When to use it: exports or reports leak data or overload the application, and the rest of the API should stay online.
  Who may run it: whoever may deploy to production.
  What it cannot undo: what has leaked already, and an announcement that was read. The release that runs stays, whichever that is.

  @all_hosts @emergency @provides:export-mode-usable
  Scenario: EXPORT_MODE can be changed
    Given the Compose project is up on the production host
    And EXPORT_MODE is set where production takes it from
    And the env file can be replaced
    And EXPORT_MODE reaches the containers of its services
    And the export and report endpoints can show EXPORT_MODE

  @all_hosts @emergency @needs:export-mode-usable @provides:emergency-recorded
  Scenario: Production is recorded before EXPORT_MODE is changed
    Given the Compose files that production was started with
    And /healthz and /readyz are reachable
    Then the state of production before any change is on record

  @emergency @needs:emergency-recorded @provides:export-mode-deployed
  Scenario: EXPORT_MODE is changed where production takes it from
    Given the Compose project is up on the production host
    When EXPORT_MODE is changed where production takes it from
    And traffic is held if the gate can hold
    And its services are redeployed on the release that runs now
    Then /healthz answers at every api container
    And /readyz answers at every api container

  @emergency @needs:export-mode-deployed @provides:export-mode-changed
  Scenario: Traffic resumes with EXPORT_MODE changed
    Given the Compose project is up on the production host
    When held traffic is released
    Then its services run the same images as before
    And EXPORT_MODE is changed inside their containers

  @emergency @needs:export-mode-changed @provides:export-mode-confirmed
  Scenario: Export and report endpoints show the change, and nothing else changed
    Given the Compose project is up on the production host
    Then export and report endpoints show EXPORT_MODE without credentials
    And export and report endpoints show EXPORT_MODE with credentials
    And the rest of the API answers
    And no service without EXPORT_MODE was recreated

  @all_hosts @emergency @needs:export-mode-confirmed
  Scenario: The change is announced
    Given the Compose project is up on the production host
    When the applied action is documented in the incident log
    And the change of EXPORT_MODE is announced in the incident channel
