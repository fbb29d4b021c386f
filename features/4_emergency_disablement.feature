Feature: 4. Emergency disablement of exports and reports
  When to use it: exports or reports leak data or bring the application down, and everything else should stay online.
  Who may run it: whoever may deploy to production.
  What it cannot undo: what has leaked already; and it leaves the release that runs in place, whichever that is.

  @emergency @provides:emergency-seen
  Scenario: Production is written down before the switch is turned
    Given the application is deployed on the production host
    And the env file sets the switch
    And the env file can be replaced
    And the switch reaches the containers of its services
    And the answers to users can show the switch
    And the api can be asked whether it is live and ready
    And the files that production was made from
    Then production before any change is on record

  @emergency @needs:emergency-seen @provides:switch-turned
  Scenario: The switch is turned where production takes it from
    Given the application is deployed on the production host
    When the switch is turned in the env file
    And the services of the switch are redeployed on the release that runs now
    Then the services of the switch run the images that they ran before
    And the switch is seen inside their containers
    And the api is live
    And the api is ready

  @emergency @needs:switch-turned @provides:switch-felt
  Scenario: Users feel the switch, and nothing else
    Given the application is deployed on the production host
    Then users without credentials feel the switch
    And users with credentials feel the switch
    And the rest of the application answers users
    And the services without the switch kept their containers
