/* SPDX-License-Identifier: Apache-2.0
 * Histories of sessions by 64 clients while the daemon's clock is stepped by up to ten minutes, forth
 * and back: no answer but the model's, every theft seen, no race taken for one.
 * ROPELINE_HISTORY (20000) is the number of operations; a hundredth of it are thefts, a tenth races.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startCore } from '../lib/core.mjs';
import { eventually, test } from '../lib/daemon.mjs';
import {
    Client, checkForks, checkHistories, checkRaces, checkRevocations, checkThefts, claims, hasFaketime,
    stepClock, steppedClock,
} from '../lib/session_history.mjs';

const OPERATIONS = Number(process.env.ROPELINE_HISTORY ?? 20_000);
const STEP_EVERY = 500; // operations
const STEP_S = 600;
const skip = hasFaketime ? false : 'libfaketime is not installed (script/bootstrap --test)';

test('histories under a clock that is stepped', { skip, timeout: 7_200_000 }, async (t) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-clock-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    const clock = steppedClock(dir);
    const core = await startCore(t, { args: ['--quiet'], env: clock.env });
    const client = new Client(core.port, 64);
    t.after(() => client.close());
    let steps = 0;
    const step = (done) => {
        if (done % STEP_EVERY === 0) {
            stepClock(clock.file, Math.round((Math.random() * 2 - 1) * STEP_S));
            steps++;
        }
    };
    const counts = await checkHistories(client, { clients: 64, operations: OPERATIONS, step });
    for (const seconds of [3600, -3600]) {
        stepClock(clock.file, seconds);
        await eventually(`the clock is ${seconds} s ahead`, async () => {
            const { iat } = claims((await client.create('clock')).accessToken.token);
            return Math.abs(iat - Date.now() / 1000 - seconds) < 60;
        });
    }
    stepClock(clock.file, 0);
    t.diagnostic(`${OPERATIONS} operations, ${steps} clock steps: ${JSON.stringify(counts)}`);
    const thefts = OPERATIONS / 100;
    assert.equal(await checkThefts(client, { thefts }), thefts);
    t.diagnostic(`${thefts} of ${thefts} thefts detected`);
    const races = OPERATIONS / 10;
    assert.equal(await checkRaces(client, { races }), races);
    t.diagnostic(`${races} races, none taken for a theft`);
    const forks = OPERATIONS / 100;
    assert.equal(await checkForks([client], { forks }), forks);
    t.diagnostic(`${forks} forks, of each the first one used went on`);
    const revocations = OPERATIONS / 100;
    assert.equal(await checkRevocations(client, { revocations }), revocations);
    t.diagnostic(`${revocations} revocations, none undone`);
});
