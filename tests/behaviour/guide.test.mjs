/* SPDX-License-Identifier: Apache-2.0
 * examples/guide as its README tells it: the roles table, key rotation by hand, the handler with the
 * trap, and Ctrl-C. It runs in a copy, so that nothing is left in the example.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ROPELINE, eventually, family, request, test } from '../lib/daemon.mjs';

const GUIDE = fileURLToPath(new URL('../../examples/guide', import.meta.url));
const run = promisify(execFile);

class Guide {
    output = '';

    constructor(t) {
        this.dir = mkdtempSync(path.join(tmpdir(), 'guide-'));
        cpSync(GUIDE, this.dir, {
            recursive: true,
            filter: (file) => !/\/(keys|\.ropeline)$/.test(file),
        });
        this.env = { ...process.env, ROPELINE_BIN: ROPELINE };
        t.after(async () => {
            await this.stop('SIGTERM');
            rmSync(this.dir, { recursive: true, force: true });
        });
    }

    async start(...options) {
        this.child = spawn(
            './start',
            ['--gateway', '127.0.0.1:0', '--metrics', '127.0.0.1:0', '--core', '127.0.0.1:0', ...options],
            { cwd: this.dir, env: this.env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
        );
        this.child.stdout.on('data', (data) => {
            this.output += data;
        });
        this.child.stderr.on('data', (data) => {
            this.output += data;
        });
        this.exited = new Promise((resolve) =>
            this.child.on('close', (code) => {
                this.code = code;
                resolve(code);
            }),
        );
        await eventually(
            'it says what to try',
            () => {
                assert.equal(this.code, undefined, this.output);
                return this.output.includes('Ctrl-C ends it');
            },
            60_000,
        );
        this.port = Number(/gateway +http:\/\/127\.0\.0\.1:(\d+)/.exec(this.output)[1]);
    }

    async stop(signal) {
        if (this.child && this.code === undefined) {
            this.processes = family(this.child.pid);
            process.kill(-this.child.pid, signal);
            await this.exited;
        }
        return this.code;
    }

    async token(...args) {
        return (await run('./token', args, { cwd: this.dir, env: this.env })).stdout.trim();
    }

    ask(method, target, token, options = {}) {
        const headers = { ...(token && { Authorization: token }), ...options.headers };
        return request(this.port, method, `/dev${target}`, { ...options, headers });
    }
}

async function guide(t, ...options) {
    if (!existsSync(`${GUIDE}/authorizer/node_modules/jsonwebtoken`)) {
        const installed = await run('npm', ['install', '--no-fund', '--no-audit'], {
            cwd: `${GUIDE}/authorizer`,
        }).then(
            () => true,
            () => false,
        );
        if (!installed) {
            t.skip('jsonwebtoken cannot be installed: no network');
            return null;
        }
    }
    const one = new Guide(t);
    await one.start(...options);
    return one;
}

const ROLES = {
    nobody: [200, 401, 401, 401, 401],
    viewer: [200, 200, 200, 403, 403],
    editor: [200, 200, 200, 200, 403],
    admin: [200, 200, 200, 200, 200],
};
const ORDER = JSON.stringify({ item: 'desk', quantity: 1 });

test('the guide: the roles table is true, and the backend is told who calls', async (t) => {
    const g = await guide(t);
    if (!g) {
        return;
    }
    for (const [role, expected] of Object.entries(ROLES)) {
        const token = role === 'nobody' ? undefined : `Bearer ${await g.token(role)}`;
        const answers = [
            await g.ask('GET', '/health', token),
            await g.ask('GET', '/orders', token),
            await g.ask('GET', '/orders/1', token),
            await g.ask('PUT', '/orders/9', token, { body: ORDER }),
            await g.ask('DELETE', '/orders/9', token),
        ];
        assert.deepEqual(
            answers.map(({ status }) => status),
            expected,
            role,
        );
        if (role !== 'nobody') {
            assert.deepEqual(answers[1].json.caller, { user: 'ana', role });
        }
    }
    const viewer = `Bearer ${await g.token('viewer')}`;
    const forged = await g.ask('GET', '/orders', viewer, {
        headers: { 'X-User': 'root', 'X-Role': 'admin' },
    });
    assert.deepEqual(forged.json.caller, { user: 'ana', role: 'viewer' });
});

test('the guide: tokens that are not ours are 401', async (t) => {
    const g = await guide(t);
    if (!g) {
        return;
    }
    const good = await g.token('admin');
    const tokens = [
        good,
        `bearer ${good}`,
        `Bearer ${good}x`,
        `Bearer ${good.split('.').slice(0, 2).join('.')}.`,
        'Bearer x.y.z',
        `Bearer ${await g.token('admin', '--expired')}`,
        `Bearer ${await g.token('owner')}`,
        `Bearer ${await g.token('admin', 'dev', '--aud', 'others')}`,
        `Bearer ${await g.token('admin', 'dev', '--iss', 'others')}`,
        `Bearer ${await g.token('admin', 'dev', '--kid', '../dev')}`,
    ];
    for (const one of tokens) {
        assert.equal((await g.ask('GET', '/orders', one)).status, 401, one.slice(0, 12));
    }
    assert.equal((await g.ask('GET', '/orders', `Bearer ${good}`)).status, 200);
});

test('the guide: a new key counts beside the old one, a retired key no more', async (t) => {
    const g = await guide(t);
    if (!g) {
        return;
    }
    assert.equal(statSync(`${g.dir}/keys/dev.pem`).mode & 0o777, 0o600);
    const old = `Bearer ${await g.token('editor')}`;
    assert.equal((await g.ask('GET', '/orders', old)).status, 200);
    await run('node', ['make-keys.mjs', 'winter'], { cwd: g.dir });
    const fresh = `Bearer ${await g.token('editor', 'winter')}`;
    await eventually(
        'the new key counts',
        async () => (await g.ask('GET', '/orders', fresh)).status === 200,
    );
    assert.equal((await g.ask('GET', '/orders', old)).status, 200);
    renameSync(
        `${g.dir}/authorizer/keys/dev.pub.pem`,
        `${g.dir}/authorizer/keys/retired/dev.pub.pem`,
    );
    await eventually(
        'the old key does not',
        async () => (await g.ask('GET', '/orders', old)).status === 401,
    );
    assert.equal((await g.ask('GET', '/orders', fresh)).status, 200);
    await assert.rejects(
        run('node', ['make-keys.mjs', 'winter'], { cwd: g.dir }),
        'a key is never overwritten',
    );
});

test('the guide: the bare handler takes the bare token and falls into the trap (trap 1)', async (t) => {
    const g = await guide(t, '--param', 'Handler=bare.handler');
    if (!g) {
        return;
    }
    const token = await g.token('viewer');
    assert.equal((await g.ask('GET', '/orders', `Bearer ${token}`)).status, 401);
    assert.equal((await g.ask('GET', '/orders', token)).status, 200);
    assert.equal((await g.ask('GET', '/orders/1', token)).status, 403);
    const { stdout } = await run(ROPELINE, ['explain'], { cwd: g.dir });
    assert.match(stdout, /methodArn/);
});

for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
]) {
    test(`the guide: ${signal} leaves nothing running`, async (t) => {
        const g = await guide(t);
        if (!g) {
            return;
        }
        assert.equal(
            (await g.ask('GET', '/orders', `Bearer ${await g.token('viewer')}`)).status,
            200,
        );
        assert.equal(await g.stop(signal), code);
        assert.ok(
            g.processes.length >= 4,
            'the script, the backend, the keeper, the gateway and a function',
        );
        for (const { pid } of g.processes) {
            assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
        }
    });
}
