-- Lets a request wait while the gate holds, and then until the api is up; for HOLD seconds at most.
local HOLD, STEP = 20, 20 -- seconds, milliseconds
local gate = Map.new("/var/lib/gateway/gate.map", Map._str)

local function api_is_up()
    for _, server in pairs(core.backends["api"].servers) do
        if string.find(server:get_stats()["status"], "UP", 1, true) == 1 then
            return true
        end
    end
    return false
end

core.register_action("hold", {"http-req"}, function()
    local over = core.now().sec + HOLD
    while core.now().sec < over and (gate:lookup("gate") == "held" or not api_is_up()) do
        core.msleep(STEP)
    end
end, 0)
