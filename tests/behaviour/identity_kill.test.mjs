/* SPDX-License-Identifier: Apache-2.0
 * kill -9 at random instants; ROPELINE_KILLS (20) says how often, 2000 is the long form.
 */
import assert from 'node:assert/strict';
import { POSTGRES, startCore } from '../lib/core.mjs';
import { PATIENCE, test } from '../lib/daemon.mjs';
import { checkKills, freePort, quantile } from '../lib/session_kills.mjs';

const KILLS = Number(process.env.ROPELINE_KILLS ?? 20);

test('kill -9 loses nothing', { timeout: 60_000 + KILLS * 3000 * PATIENCE }, async (t) => {
    const port = await freePort();
    const core = await startCore(t, { args: ['--quiet', '--core', `127.0.0.1:${port}`] });
    const { restarts, firsts, answers } = await checkKills(core, { kills: KILLS });
    const times = (values) => [0.5, 0.99, 1].map((part) => quantile(values, part)).join('/');
    t.diagnostic(
        `${restarts.length} kills, ${answers} answers; median/99 %/most until it listens ` +
            `${times(restarts)} ms, until it has answered ${times(firsts)} ms (${firsts.length} lives)`,
    );
    assert.equal(restarts.length, KILLS);
    assert.ok(answers > KILLS && firsts.length > 0, 'there was no load to speak of');
    if (!POSTGRES) { // a server first ends what the dead have left with it
        assert.ok(quantile(restarts, 0.5) < 300 * PATIENCE);
        assert.ok(quantile(firsts, 0.5) < 300 * PATIENCE);
    }
});
