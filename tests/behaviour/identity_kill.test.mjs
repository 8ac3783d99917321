/* SPDX-License-Identifier: Apache-2.0
 * kill -9 at random instants; ROPELINE_KILLS (20) says how often, 2000 is the long form.
 */
import assert from 'node:assert/strict';
import { startCore } from '../lib/core.mjs';
import { PATIENCE, test } from '../lib/daemon.mjs';
import { checkKills, freePort, median } from '../lib/session_kills.mjs';

const KILLS = Number(process.env.ROPELINE_KILLS ?? 20);

test('kill -9 loses nothing', { timeout: 60_000 + KILLS * 2000 * PATIENCE }, async (t) => {
    const port = await freePort();
    const core = await startCore(t, { args: ['--quiet', '--core', `127.0.0.1:${port}`] });
    const { restarts, answers } = await checkKills(core, { kills: KILLS });
    const most = Math.max(...restarts);
    t.diagnostic(
        `${restarts.length} kills, ${answers} answers; back after ${median(restarts).toFixed(0)} ms, ` +
            `at most ${most.toFixed(0)} ms`,
    );
    assert.equal(restarts.length, KILLS);
    assert.ok(median(restarts) < 300 * PATIENCE);
});
