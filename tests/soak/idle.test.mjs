/* SPDX-License-Identifier: Apache-2.0
 * Ten minutes without work, then a call: whoever waits for an event goes on waiting, is never told
 * that there is none, and answers as fast as before. ROPELINE_IDLE_SECONDS (630) says how long.
 */
import assert from 'node:assert/strict';
import { sleep, start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const SECONDS = Number(process.env.ROPELINE_IDLE_SECONDS ?? 630);

const SHELL = `#!/bin/bash
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  headers="$(mktemp)"
  status=$(curl -s -o /dev/null -w '%{http_code}' -D "$headers" "$api/next")
  [ "$status" = 200 ] || { echo "GET next: $status"; exit 1; }
  id=$(grep -Fi Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -s -o /dev/null "$api/$id/response" -d '{"body":"'$$'"}'
done`;

test(`${SECONDS} s without work`, { timeout: (SECONDS + 60) * 1000 }, async (t) => {
    const routes = {
        'GET /node': lambda('async () => ({ body: String(process.pid) })'),
        'GET /python': lambda(undefined, { runtime: 'python3.11', handler: 'app.handler',
            files: { 'app.py': 'import os\ndef handler(e, c): return {"body": str(os.getpid())}\n' } }),
        'GET /custom': lambda(undefined, { runtime: 'provided.al2023', files: { bootstrap: SHELL } }),
    };
    const gw = await start(t, api({ routes }), { args: ['--function-idle', String(SECONDS + 600)] });
    const paths = ['/node', '/python', '/custom'];
    const pids = () => Promise.all(paths.map(async (path) => (await gw.get(path)).body));
    await pids();
    const before = await pids();
    await sleep(SECONDS * 1000);
    const began = performance.now();
    assert.deepEqual(await pids(), before, 'the same environments');
    t.diagnostic(`three calls took ${(performance.now() - began).toFixed(1)} ms`);
    assert.doesNotMatch(gw.transcript, /GET next: /);
});
