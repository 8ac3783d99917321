/* SPDX-License-Identifier: Apache-2.0
 * Histories of sessions, in short; tests/soak/session_history.test.mjs is the long form.
 */
import assert from 'node:assert/strict';
import { startCore } from '../lib/core.mjs';
import { test } from '../lib/daemon.mjs';
import {
    Client, checkForks, checkHistories, checkRaces, checkRevocations, checkThefts,
} from '../lib/session_history.mjs';

test('histories of sessions', async (t) => {
    const core = await startCore(t, { args: ['--quiet'] });
    const client = new Client(core.port, 64);
    t.after(() => client.close());

    await t.test('every answer is the one of the model', async () => {
        const counts = await checkHistories(client, { clients: 32, operations: 4000 });
        assert.ok(counts.revoke > 0 && counts.refresh > 1000);
    });
    await t.test('every theft is seen', async () => {
        assert.equal(await checkThefts(client, { thefts: 100 }), 100);
    });
    await t.test('no race is taken for a theft', async () => {
        assert.equal(await checkRaces(client, { races: 100 }), 100);
    });
    await t.test('of forks the first one used goes on', async () => {
        assert.equal(await checkForks([client], { forks: 50 }), 50);
    });
    await t.test('what was revoked stays so', async () => {
        assert.equal(await checkRevocations(client, { revocations: 100 }), 100);
    });
});
