/* SPDX-License-Identifier: Apache-2.0
 * The configurations of docs/examples/forward-auth, run by Debian's nginx, haproxy and caddy before
 * a backend of their own: who may pass, what the backend is told, and what a client cannot forge.
 * (Traefik and Envoy are not in Debian: their files are not run here.)
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { backend as startBackend, closedPort } from '../lib/backend.mjs';
import { eventually, request, start, test } from '../lib/daemon.mjs';
import { OBEDIENT, api, mock, open, order, statement, throwing, token } from '../lib/template.mjs';

const EXAMPLES = fileURLToPath(new URL('../../docs/examples/forward-auth', import.meta.url));
const READER = order({
    returns: {
        principalId: 'ana',
        policyDocument: {
            Version: '2012-10-17',
            Statement: [statement('Allow', '$api/dev/GET/*')],
        },
        context: { role: 'viewer' },
    },
});

/** One documented configuration on free ports. */
async function peer(t, { program, file, args }) {
    const backend = await startBackend(t);
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT, { ttl: 300 }),
            routes: {
                'GET /orders/{id}': mock(200, 'in'),
                'DELETE /orders/{id}': mock(200, 'gone'),
                'GET /open': open(mock(200, 'open')),
            },
        }),
        { args: ['--authorize', '127.0.0.1:0'] },
    );
    const dir = mkdtempSync(path.join(tmpdir(), 'forward-auth-'));
    const port = await closedPort();
    cpSync(EXAMPLES, dir, { recursive: true });
    writeFileSync(
        path.join(dir, file),
        readFileSync(path.join(dir, file), 'utf8')
            .replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`)
            .replaceAll('127.0.0.1:9000', `127.0.0.1:${backend.port}`)
            .replaceAll('127.0.0.1:9191', gw.listening.authorize),
    );
    let said = '';
    const child = spawn(program, args(path.join(dir, file), dir), {
        cwd: dir,
        env: { ...process.env, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
    });
    child.stdout.on('data', (data) => (said += data));
    child.stderr.on('data', (data) => (said += data));
    t.after(async () => {
        child.kill('SIGTERM');
        await new Promise((resolve) => {
            child.on('exit', resolve);
            if (child.exitCode !== null || child.signalCode !== null) {
                resolve();
            }
        });
        rmSync(dir, { recursive: true, force: true });
    });
    await eventually(`${program} listens`, async () => {
        assert.equal(child.exitCode, null, said);
        return request(port, 'GET', '/open').then(
            (answer) => answer.status === 200,
            () => false,
        );
    });
    backend.requests.length = 0;
    const ask = (method, target, headers = {}) => request(port, method, target, { headers });
    return { backend, gw, ask };
}

const NGINX = 'daemon off; pid nginx.pid; error_log stderr; master_process off;';
const PEERS = [
    {
        program: 'nginx',
        file: 'nginx.conf',
        args: (file, dir) => ['-p', dir, '-c', file, '-g', NGINX],
    },
    { program: 'haproxy', file: 'haproxy.cfg', args: (file) => ['-db', '-f', file] },
    {
        program: 'caddy',
        file: 'Caddyfile',
        args: (file) => ['run', '--config', file, '--adapter', 'caddyfile'],
    },
];

for (const one of PEERS) {
    const missing =
        spawnSync('which', [one.program]).status !== 0 &&
        `${one.program} is not installed: script/bootstrap --peers`;
    test(`${one.program} lets pass what Ropeline allows, and nothing else`, { skip: missing }, async (t) => {
        const { backend, gw, ask } = await peer(t, one);
        const sent = (name) => backend.requests.at(-1).header(name);

        assert.equal((await ask('GET', '/orders/1')).status, 401);
        assert.equal(
            (await ask('GET', '/orders/1', { Authorization: throwing('Unauthorized') })).status,
            401,
        );
        assert.equal((await ask('DELETE', '/orders/1', { Authorization: READER })).status, 403);
        assert.notEqual(
            (await ask('GET', '/orders/1', { Authorization: throwing('boom') })).status,
            200,
        );
        assert.equal(backend.requests.length, 0, 'nothing refused reaches the backend');

        assert.equal((await ask('GET', '/orders/1?a=b', { Authorization: READER })).status, 200);
        assert.equal(sent('X-User'), 'ana');
        assert.equal(backend.requests.at(-1).target, '/orders/1?a=b');
        const calls = gw.calls().length;
        assert.equal((await ask('GET', '/orders/2', { Authorization: READER })).status, 200);
        assert.equal(gw.calls().length, calls, 'the decision is cached');

        const forged = {
            Authorization: READER,
            'X-User': 'root',
            'Ropeline-Principal-Id': 'root',
            'X-Forwarded-Method': 'GET',
            'X-Forwarded-Uri': '/open',
            'X-Forwarded-Host': 'evil.example',
            'X-Original-Uri': '/open',
        };
        backend.requests.length = 0;
        assert.equal((await ask('DELETE', '/orders/1', forged)).status, 403);
        assert.equal(backend.requests.length, 0, 'the real method and path are asked about');
        assert.equal((await ask('GET', '/orders/1', forged)).status, 200);
        assert.equal(sent('X-User'), 'ana');
        assert.equal((await ask('GET', '/open', { 'X-User': 'root' })).status, 200);
        assert.ok(!sent('X-User'), 'an open route has no principal');
    });

    test(`${one.program} lets nothing pass when Ropeline is gone`, { skip: missing }, async (t) => {
        const { backend, gw, ask } = await peer(t, one);
        await gw.stop();
        const { status } = await ask('GET', '/open');
        assert.ok(status >= 500, `${status}`);
        assert.equal(backend.requests.length, 0);
    });
}
