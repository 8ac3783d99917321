/* SPDX-License-Identifier: Apache-2.0
 * A revocation that took long to be asked for: it counts from when it was made, not from when its
 * call began, or other nodes would look for it too late.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { startCore } from '../lib/core.mjs';
import { eventually, request, sleep, test } from '../lib/daemon.mjs';
import { Postgres } from '../lib/postgres.mjs';
import { bearer, guardedApi } from '../lib/sessions.mjs';

const APP = `t-${randomUUID()}`;
const SLOW_MS = 16_000; // longer than a transaction may take, and clocks be apart

/** A call whose head is there at once, and whose body comes `ms` later. */
async function slow(core, path, input, ms) {
    const body = JSON.stringify(input);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    const rq = http.request({ port: core.port, method: 'POST', path, headers });
    const answer = new Promise((resolve, reject) => rq.on('response', resolve).on('error', reject));
    rq.flushHeaders();
    await sleep(ms);
    rq.end(body);
    const rs = await answer;
    rs.resume();
    return rs.statusCode;
}

test('other nodes hear of a revocation, however slowly it was asked for', async (t) => {
    const server = new Postgres().start();
    t.after(() => server.end());
    const gateway = await startCore(t, { project: { text: guardedApi(APP, '/') }, ...server.options });
    const other = await startCore(t, server.options);
    await other.ok('PUT', '/recipe/multitenancy/app/v2', { appId: APP });
    const { session, accessToken } = await other.ok(
        'POST',
        '/recipe/session',
        { userId: 'ana', enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} },
        { app: APP },
    );
    const headers = bearer(accessToken.token);
    const becomes = (expected) =>
        eventually(`it is ${expected}`, async () => {
            const { status } = await request(gateway.daemon.port, 'GET', '/dev/', { headers });
            return status === expected;
        }, 3000);
    await becomes(200);
    const sessionHandles = [session.handle];
    const path = `/appid-${APP}/recipe/session/remove`;
    assert.equal(await slow(other, path, { sessionHandles }, SLOW_MS), 200);
    await becomes(401);
});
