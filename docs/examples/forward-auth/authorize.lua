-- SPDX-License-Identifier: Apache-2.0
-- Asks Ropeline whether a request may pass. Refused: the client gets Ropeline's status, headers and
-- body. Allowed: each ropeline-* header of the answer becomes a variable, txn.ropeline_principal_id.
-- No answer, or one that is neither: 503, never a pass.

local hidden = { ["content-length"] = true, ["transfer-encoding"] = true, ["host"] = true,
    ["connection"] = true, ["x-forwarded-method"] = true, ["x-forwarded-uri"] = true,
    ["x-forwarded-host"] = true, ["x-forwarded-for"] = true }
local framing = { ["content-length"] = true, ["transfer-encoding"] = true, ["connection"] = true }

local function refuse(txn, status, headers, body)
    local reply = txn:reply({ status = status })
    for name, values in pairs(headers or {}) do
        for _, value in pairs(values) do
            if not framing[name] then
                reply:add_header(name, value)
            end
        end
    end
    reply:set_body(body or "")
    txn:done(reply)
end

core.register_action("authorize", { "http-req" }, function(txn, url)
    local headers = {}
    for name, values in pairs(txn.http:req_get_headers()) do
        if not hidden[name] then
            headers[name] = {}
            for i = 0, #values do
                table.insert(headers[name], values[i])
            end
        end
    end
    headers["host"] = { "127.0.0.1" }
    headers["x-forwarded-method"] = { txn.f:method() }
    headers["x-forwarded-uri"] = { txn.f:pathq() }
    headers["x-forwarded-host"] = { txn.f:req_hdr("host") or "" }
    headers["x-forwarded-for"] = { txn.f:src() }
    local ok, answer = pcall(function()
        return core.httpclient():get({ url = url, headers = headers, timeout = 30000 })
    end)
    if not ok or not answer or not answer.status or answer.status == 0 then
        return refuse(txn, 503)
    end
    if answer.status ~= 200 then
        return refuse(txn, answer.status >= 400 and answer.status or 503, answer.headers,
            answer.body)
    end
    for name, values in pairs(answer.headers) do
        if name:sub(1, 9) == "ropeline-" then
            txn:set_var("txn." .. name:gsub("[^%w]", "_"), values[0])
        end
    end
end, 1)
