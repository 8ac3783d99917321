/* SPDX-License-Identifier: Apache-2.0
 * examples/sessions as its README tells it: Express with unmodified supertokens-node, our core, our
 * gateway. Every role, method and route; and when a role that was taken away counts.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { closedPort } from '../lib/backend.mjs';
import { Core } from '../lib/core.mjs';
import { eventually, request, start, test } from '../lib/daemon.mjs';

const EXAMPLE = fileURLToPath(new URL('../../examples/sessions', import.meta.url));
const MODULES = fileURLToPath(new URL('node_modules', import.meta.url));
const skip = existsSync(path.join(MODULES, 'express'))
    ? false
    : 'express and supertokens-node are not installed (script/bootstrap --test)';

/** The application, without the network. */
async function application(t, port, environment) {
    const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-app-'));
    for (const name of ['server.js', 'package.json']) {
        copyFileSync(path.join(EXAMPLE, 'app', name), path.join(dir, name));
    }
    symlinkSync(MODULES, path.join(dir, 'node_modules'));
    const child = spawn(process.execPath, ['server.js'], {
        cwd: dir,
        env: { ...process.env, PORT: String(port), ...environment },
        stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => {
        child.kill();
        rmSync(dir, { recursive: true, force: true });
    });
    await new Promise((resolve, reject) => {
        child.stdout.once('data', resolve);
        child.once('exit', (code) => reject(new Error(`the application ended with ${code}`)));
    });
}

class Person {
    constructor(port, name) {
        Object.assign(this, { port, name });
    }

    async ask(method, target, { body, token = this.access } = {}) {
        const rs = await request(this.port, method, target, {
            headers: {
                'st-auth-mode': 'header',
                ...(token && { Authorization: `Bearer ${token}` }),
                ...(body && { 'Content-Type': target.startsWith('/auth') ? 'application/json' : 'text/plain' }),
            },
            body,
        });
        this.access = rs.headers['st-access-token'] || this.access;
        this.refreshToken = rs.headers['st-refresh-token'] || this.refreshToken;
        return rs;
    }

    async form(action) {
        const fields = { email: `${this.name}@example.com`, password: 'correct-horse1' };
        const formFields = Object.entries(fields).map(([id, value]) => ({ id, value }));
        const rs = await this.ask('POST', `/auth/${action}`, { body: JSON.stringify({ formFields }) });
        assert.equal(rs.json.status, 'OK', rs.body);
        this.id = rs.json.user.id;
        return this;
    }

    refresh() {
        return this.ask('POST', '/auth/session/refresh', { token: this.refreshToken });
    }
}

const ROLES = { nobody: 0, viewer: 1, editor: 2, admin: 3 };
const ROUTES = [
    ['GET', '/articles', 1],
    ['GET', '/articles/1', 1],
    ['PUT', '/articles/1', 2],
    ['DELETE', '/articles/none', 3],
];

test('the example of sessions and roles', { skip }, async (t) => {
    const [gatewayPort, corePort, appPort] = [await closedPort(), await closedPort(), await closedPort()];
    const gw = await start(
        t,
        { name: 'template.yaml', text: readFileSync(path.join(EXAMPLE, 'template.yaml'), 'utf8') },
        {
            gateway: `127.0.0.1:${gatewayPort}`,
            core: `127.0.0.1:${corePort}`,
            params: { AppUrl: `http://127.0.0.1:${appPort}` },
        },
    );
    const core = new Core(gw);
    await application(t, appPort, {
        CORE_URL: core.url,
        API_DOMAIN: `http://127.0.0.1:${gatewayPort}`,
    });
    const signUp = async (name) => new Person(gatewayPort, name).form('signup');
    const grant = async (person, role) => assert.equal((await gw.ropeline('roles', 'grant', person.id, role)).code, 0);
    const revoke = (person, role) => gw.ropeline('roles', 'revoke', person.id, role);

    await t.test('role x method x route', async (table) => {
        for (const [role, level] of Object.entries(ROLES)) {
            const person = await signUp(role);
            if (role === 'nobody') {
                await revoke(person, 'viewer');
            } else if (role !== 'viewer') {
                await grant(person, role);
            }
            await person.form('signin');
            for (const [method, route, needed] of ROUTES) {
                const expected = level >= needed ? 200 : 403;
                await table.test(`${role}: ${method} ${route} is ${expected}`, async () => {
                    const rs = await person.ask(method, route, { body: method === 'PUT' ? 'x' : undefined });
                    assert.equal(rs.status, expected, rs.body);
                    if (expected === 200 && method !== 'GET') {
                        assert.ok(rs.body.includes(person.id), 'the application hears who it is');
                    }
                });
            }
        }
        for (const [method, route] of ROUTES) {
            await table.test(`no session: ${method} ${route} is 401`, async () => {
                const rs = await request(gatewayPort, method, route);
                assert.equal(rs.status, 401);
            });
        }
    });

    await t.test('a demoted admin deletes no more within a second, and updates until the refresh', async () => {
        const person = await signUp('demoted');
        await grant(person, 'admin');
        await person.form('signin');
        const statusOf = async (method) =>
            (await person.ask(method, '/articles/1', { body: method === 'PUT' ? 'x' : undefined })).status;
        assert.deepEqual([await statusOf('PUT'), await statusOf('DELETE')], [200, 200]);
        await revoke(person, 'admin');
        const began = performance.now();
        await eventually('DELETE is refused', async () => (await statusOf('DELETE')) === 403);
        const took = performance.now() - began;
        t.diagnostic(`refused ${took.toFixed(0)} ms after the role was taken away`);
        assert.ok(took < 1000);
        assert.equal(await statusOf('PUT'), 200, 'the token still has the role');
        assert.equal((await person.refresh()).status, 200);
        assert.equal(await statusOf('PUT'), 403);
        assert.equal(await statusOf('GET'), 200);
    });

    await t.test('a session that was ended by hand is over at once', async () => {
        const person = await signUp('ended');
        assert.equal((await person.ask('GET', '/articles')).status, 200);
        const { stdout } = await gw.ropeline('sessions', 'revoke', '--user', person.id);
        assert.equal(stdout, 'revoked 1\n');
        assert.equal((await person.ask('GET', '/articles')).status, 401);
        assert.equal((await person.refresh()).status, 401);
    });
});
