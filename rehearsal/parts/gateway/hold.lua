-- Lets a request wait while the gate holds, and then until the api is up; for HOLD seconds at most.
local HOLD, STEP, LOOK = 20, 50, 20 -- seconds, milliseconds, milliseconds
local gate = Map.new("/var/lib/gateway/gate.map", Map._str)
local up = false

-- Asked once for all who wait: there may be a thousand of them.
core.register_task(function()
    while true do
        local seen = false
        for _, server in pairs(core.backends["api"].servers) do
            seen = seen or string.find(server:get_stats()["status"], "UP", 1, true) == 1
        end
        up = seen
        core.msleep(LOOK)
    end
end)

core.register_action("hold", {"http-req"}, function()
    local over = core.now().sec + HOLD
    while core.now().sec < over and (gate:lookup("gate") == "held" or not up) do
        core.msleep(STEP)
    end
end, 0)
