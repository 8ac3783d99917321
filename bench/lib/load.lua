-- SPDX-License-Identifier: Apache-2.0
-- What wrk asks, and its result as one line of JSON. The request comes from the environment:
-- WRK_LIST, a file with one whole request per line (\r\n written as ~~), asked in turn; or
-- WRK_REQUEST, in which @@ counts from WRK_START up to WRK_COUNT and then from 1; or neither, and
-- wrk asks its URL.
local function unfold(line)
    return (line:gsub("~~", "\r\n"))
end

local list, count = os.getenv("WRK_LIST"), tonumber(os.getenv("WRK_COUNT"))
local chain = os.getenv("WRK_CHAIN")
local at = tonumber(os.getenv("WRK_START")) or 0
if list then
    local requests = {}
    for line in io.lines(list) do
        requests[#requests + 1] = unfold(line)
    end
    request = function()
        at = at % #requests + 1
        return requests[at]
    end
elseif count then
    local before, after = unfold(os.getenv("WRK_REQUEST")):match("^(.-)@@(.*)$")
    request = function()
        at = at % count + 1
        return before .. string.format("%07d", at) .. after
    end
elseif chain then
    -- Tokens that nobody is refreshing now: first in, first out. There must be more of them than
    -- connections.
    local tokens, first, last = {}, 1, 0
    local function keep(token)
        last = last + 1
        tokens[last] = token
    end
    for line in io.lines(chain) do
        keep(line)
    end
    local head = os.getenv("WRK_REQUEST"):gsub("~~", "\r\n")
    request = function()
        local token = tokens[first]
        tokens[first] = nil
        first = first + 1
        local body = '{"refreshToken":"' .. token ..
            '","enableAntiCsrf":false,"useDynamicSigningKey":true}'
        return head .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
    end
    response = function(status, _, body)
        local token = body:match('"refreshToken":{[^}]-"token":"([^"]+)"')
        if status ~= 200 or not token then
            io.stderr:write("refresh answered ", status, " ", body, "\n")
            os.exit(1)
        end
        keep(token)
    end
end

-- User and system time of wrk itself, in clock ticks.
local function own_ticks()
    local file = io.open("/proc/self/stat")
    local text = file:read("*a")
    file:close()
    local user, system = text:match("^.*%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)")
    return user + system
end

done = function(summary, latency)
    local e = summary.errors
    print(string.format('{"requests":%d,"us":%d,"p50":%d,"p99":%d,"failed":%d,"ticks":%d}',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout, own_ticks()))
end
