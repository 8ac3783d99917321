/* SPDX-License-Identifier: Apache-2.0
 * examples/supertokens-lambda as its README tells it: unmodified supertokens-node in Lambda
 * functions behind the gateway, our core, a real backend. Sign-in, roles, expiry, refresh, theft and
 * revocation through the three authorizers of the guide and through Ropeline's own; and the
 * unmodified web SDK, which refreshes by itself. One daemon.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { closedPort } from '../lib/backend.mjs';
import { Core } from '../lib/core.mjs';
import { eventually, request, sleep, start, test } from '../lib/daemon.mjs';
import { webSdk } from '../lib/web_sdk.mjs';

const EXAMPLE = fileURLToPath(new URL('../../examples/supertokens-lambda', import.meta.url));
const installed = (name) => fileURLToPath(new URL(`node_modules/${name}`, import.meta.url));
const SDK = installed('supertokens-node');
const skip = [SDK, installed('supertokens-website')].every(existsSync)
    ? false
    : 'supertokens-node or -website is not installed (script/bootstrap --test)';
const APP = 'lambda';
const LIFE_S = 4; // of an access token
const KEPT_S = 2; // what the TOKEN authorizer said
const PASSWORD = 'correct-horse1';
const secrets = new Set([PASSWORD]); // and each token that a client was given

function project() {
    const files = {};
    for (const name of readdirSync(path.join(EXAMPLE, 'functions'))) {
        if (name.endsWith('.js')) {
            files[`functions/${name}`] = readFileSync(path.join(EXAMPLE, 'functions', name), 'utf8');
        }
    }
    const text = readFileSync(path.join(EXAMPLE, 'template.yaml'), 'utf8');
    return { name: 'template.yaml', text, files };
}

/** `npm install` of the example, without the network. */
function install(daemon) {
    const modules = path.join(daemon.dir, 'functions/node_modules');
    mkdirSync(modules, { recursive: true });
    symlinkSync(SDK, path.join(modules, 'supertokens-node'));
}

async function backend(t) {
    const child = spawn(process.execPath, [path.join(EXAMPLE, 'backend/server.mjs'), '0']);
    t.after(() => child.kill());
    const [line] = await new Promise((resolve) =>
        child.stdout.once('data', (data) => resolve(String(data).split('\n'))),
    );
    return line;
}

/** A browser with the web SDK's part: it keeps cookies, or the tokens of headers. */
class Client {
    cookies = new Map();
    headers = {};

    constructor(port, mode) {
        Object.assign(this, { port, mode });
    }

    clone() {
        const copy = new Client(this.port, this.mode);
        copy.cookies = new Map(this.cookies);
        copy.access = this.access;
        copy.refreshToken = this.refreshToken;
        return copy;
    }

    keep(rs) {
        for (const line of (rs.headers['set-cookie'] ?? []).filter(Boolean)) {
            const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
            this.cookies.set(name, value);
        }
        this.access = rs.headers['st-access-token'] ?? this.access;
        this.refreshToken = rs.headers['st-refresh-token'] ?? this.refreshToken;
        for (const token of [this.access, this.refreshToken, ...this.cookies.values()]) {
            if (token?.length > 100) {
                secrets.add(decodeURIComponent(token).slice(-40));
            }
        }
    }

    async ask(method, target, { body, token = this.access } = {}) {
        const byCookie = this.mode === 'cookie';
        const cookies = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
        const rs = await request(this.port, method, target, {
            headers: {
                'st-auth-mode': this.mode,
                ...(byCookie && cookies && { Cookie: cookies }),
                ...(!byCookie && token && { Authorization: `Bearer ${token}` }),
                ...(body && { 'Content-Type': 'application/json' }),
            },
            body: body && JSON.stringify(body),
        });
        this.keep(rs);
        return rs;
    }

    form(action, email) {
        const formFields = Object.entries({ email, password: PASSWORD });
        return this.ask('POST', `/prod/auth/${action}`, {
            body: { formFields: formFields.map(([id, value]) => ({ id, value })) },
        });
    }

    refresh() {
        return this.ask('POST', '/prod/auth/session/refresh', { token: this.refreshToken });
    }

    get accessToken() {
        return this.mode === 'cookie'
            ? decodeURIComponent(this.cookies.get('sAccessToken'))
            : this.access;
    }

    get claims() {
        return JSON.parse(Buffer.from(this.accessToken.split('.')[1], 'base64url'));
    }

    /** Until the token of now has ended. */
    async expire() {
        await sleep(Math.max(0, this.claims.exp * 1000 - Date.now()) + 50);
    }
}

test("the guide's recipe: supertokens-node in Lambda authorizers", { skip }, async (t) => {
    const port = await closedPort();
    const corePort = await closedPort();
    const params = {
        BackendUrl: await backend(t),
        CoreUrl: `http://127.0.0.1:${corePort}/appid-${APP}`,
        ApiDomain: `http://127.0.0.1:${port}`,
        AppId: APP,
        KeepSeconds: String(KEPT_S),
    };
    const gw = await start(t, project(), {
        params,
        prepare: install,
        gateway: `127.0.0.1:${port}`,
        core: `127.0.0.1:${corePort}`,
    });
    const core = new Core(gw);
    await core.ok('PUT', '/recipe/multitenancy/app/v2', {
        appId: APP,
        coreConfig: { access_token_validity: LIFE_S },
    });
    for (const role of ['editor', 'admin']) {
        await core.ok('PUT', '/recipe/role', { role }, { app: APP });
    }
    const give = (userId, role) =>
        core.ok('PUT', '/recipe/user/role', { userId, role }, { app: APP });
    let n = 0;
    /** Signs up, gets roles, signs in. */
    async function user(mode, ...roles) {
        const email = `user${++n}@example.com`;
        const rs = await new Client(port, mode).form('signup', email);
        assert.equal(rs.status, 200, rs.body);
        assert.equal(rs.json.status, 'OK', rs.body);
        for (const role of roles) {
            await give(rs.json.user.id, role);
        }
        const client = new Client(port, mode);
        client.id = rs.json.user.id;
        client.signIn = () => client.form('signin', email);
        assert.equal((await client.signIn()).json.status, 'OK');
        return client;
    }
    /** With a token that is not about to end. */
    async function asked(client, method, target) {
        let rs = await client.ask(method, target);
        if (rs.status === 401) {
            assert.equal((await client.refresh()).status, 200);
            rs = await client.ask(method, target);
        }
        return rs;
    }

    await t.test('(a) a TOKEN authorizer with a role claim', async (t) => {
        const admin = await user('header', 'admin');
        const viewer = await user('header');
        await t.test('the role may', async () => {
            const rs = await asked(admin, 'DELETE', '/prod/orders/7');
            assert.equal(rs.status, 200, rs.body);
            assert.deepEqual(
                { ...rs.json, path: undefined },
                { method: 'DELETE', path: undefined, user: admin.id, role: 'admin' },
            );
        });
        await t.test("without it: 403 with the guide's body", async () => {
            const rs = await asked(viewer, 'DELETE', '/prod/orders/7');
            assert.equal(rs.status, 403);
            const { message, claimValidationErrors } = rs.json;
            assert.equal(message, 'invalid claim');
            assert.equal(claimValidationErrors[0].id, 'st-role');
            assert.equal(claimValidationErrors[0].reason.expectedToInclude, 'admin');
        });
        await t.test('without a token, and with another', async () => {
            assert.equal((await new Client(port, 'header').ask('DELETE', '/prod/orders/7')).status, 401);
            assert.equal((await admin.ask('DELETE', '/prod/orders/7', { token: 'x.y.z' })).status, 401);
        });
        await t.test('expired: 401; refreshed: 200', async () => {
            await admin.expire();
            await sleep(KEPT_S * 1000);
            assert.equal((await admin.ask('DELETE', '/prod/orders/7')).status, 401);
            assert.equal((await admin.refresh()).status, 200);
            assert.equal((await admin.ask('DELETE', '/prod/orders/7')).status, 200);
        });
        await t.test('revoked: 401, though the allow was kept', async () => {
            const other = await user('header', 'admin');
            assert.equal((await other.ask('DELETE', '/prod/orders/7')).status, 200);
            await core.ok('POST', '/recipe/session/remove', { userId: other.id }, { app: APP });
            await eventually(
                'refused',
                async () => (await other.ask('DELETE', '/prod/orders/7')).status === 401,
                1000,
            );
        });
    });

    for (const mode of ['header', 'cookie']) {
        await t.test(`(b) the guide's REQUEST authorizer, by ${mode}`, async (t) => {
            const editor = await user(mode, 'editor');
            const viewer = await user(mode);
            await t.test('who reads without a session is nobody', async () => {
                const rs = await new Client(port, mode).ask('GET', '/prod/orders/7');
                assert.equal(rs.status, 200, rs.body);
                assert.ok(!rs.json.user);
                assert.equal((await new Client(port, mode).ask('PUT', '/prod/orders/7')).status, 401);
            });
            await t.test('roles', async () => {
                const rs = await asked(editor, 'PUT', '/prod/orders/7');
                assert.equal(rs.status, 200, rs.body);
                assert.equal(rs.json.user, editor.id);
                const no = await asked(viewer, 'PUT', '/prod/orders/7');
                assert.equal(no.status, 403);
                assert.equal(no.json.message, 'invalid claim');
                assert.equal(no.json.claimValidationErrors[0].reason.expectedToInclude, 'editor');
                assert.equal(no.headers['access-control-allow-origin'], 'http://127.0.0.1:3000');
            });
            await t.test('expired: 401; refreshed: 200, and the new token reaches the client', async () => {
                await editor.expire();
                assert.equal((await editor.clone().ask('GET', '/prod/orders/7')).status, 401);
                const stolen = editor.clone();
                assert.equal((await editor.refresh()).status, 200);
                assert.ok(editor.claims.parentRefreshTokenHash1);
                const rs = await editor.ask('GET', '/prod/orders/7');
                assert.equal(rs.status, 200);
                assert.equal(rs.json.user, editor.id);
                if (mode === 'cookie') {
                    assert.match(rs.headers['set-cookie'].join(), /sAccessToken=/);
                    assert.equal(editor.claims.parentRefreshTokenHash1, null);
                }
                // what was stolen before is noticed, and ends the session
                assert.equal((await stolen.refresh()).status, 401);
                assert.equal((await editor.refresh()).status, 401);
            });
        });
    }

    await t.test('(c) an HTTP API JWT authorizer with aud', async () => {
        const client = await user('header');
        const rs = await eventually('the keys are fetched through the gateway', async () => {
            const answer = await asked(client, 'GET', '/profile');
            return answer.status === 200 && answer;
        });
        assert.equal(rs.json.user, client.id);
        assert.equal(client.claims.iss, `http://127.0.0.1:${port}/prod/auth`);
        assert.equal(client.claims.aud, 'jwtAuthorizers');
        await client.expire();
        assert.equal((await client.ask('GET', '/profile')).status, 401);
        assert.equal((await new Client(port, 'header').ask('GET', '/profile')).status, 401);
    });

    for (const mode of ['header', 'cookie']) {
        await t.test(`Ropeline's own authorizer, by ${mode}`, async () => {
            const admin = await user(mode, 'admin');
            const editor = await user(mode, 'editor');
            const viewer = await user(mode);
            const rs = await asked(editor, 'GET', '/prod/reports');
            assert.equal(rs.status, 200, rs.body);
            assert.equal(rs.json.user, editor.id);
            assert.equal((await asked(viewer, 'GET', '/prod/reports')).status, 403);
            assert.equal((await asked(editor, 'DELETE', '/prod/reports')).status, 403);
            assert.equal((await asked(admin, 'DELETE', '/prod/reports')).status, 200);
            await editor.expire();
            assert.equal((await editor.clone().ask('GET', '/prod/reports')).status, 401);
            const stolen = editor.clone();
            assert.equal((await editor.refresh()).status, 200);
            assert.equal((await editor.ask('GET', '/prod/reports')).status, 200);
            assert.equal(editor.claims.parentRefreshTokenHash1, null); // it was handed the next one
            assert.equal((await editor.ask('GET', '/prod/reports')).status, 200);
            assert.equal((await stolen.refresh()).status, 401);
            assert.equal((await editor.ask('GET', '/prod/reports')).status, 401);
        });
    }

    await t.test('the web SDK refreshes by itself upon our 401, and reads our 403', async () => {
        const page = webSdk(createRequire(import.meta.url)('supertokens-website'), {
            apiDomain: params.ApiDomain,
            apiBasePath: '/prod/auth',
            websiteDomain: 'http://127.0.0.1:3000',
            tokenTransferMethod: 'header',
        });
        const url = (target) => params.ApiDomain + target;
        const fields = { email: `user${++n}@example.com`, password: PASSWORD };
        const body = JSON.stringify({
            formFields: Object.entries(fields).map(([id, value]) => ({ id, value })),
        });
        const signUp = await page.fetch(url('/prod/auth/signup'), {
            method: 'POST',
            headers: { 'Content-Type': 'application/json', rid: 'emailpassword' },
            body,
        });
        assert.equal((await signUp.json()).status, 'OK');
        assert.ok(await page.sdk.doesSessionExist());
        await give(await page.sdk.getUserId(), 'editor');
        const ask = async (method, target) => (await page.fetch(url(target), { method })).status;
        for (const [method, target] of [['PUT', '/prod/orders/7'], ['GET', '/profile']]) {
            await sleep(LIFE_S * 1000 + 100);
            page.asked.length = 0;
            const expected = method === 'GET' ? 200 : 403; // its token was made before the role was
            assert.equal(await ask(method, target), expected);
            assert.deepEqual(page.asked, [
                `${method} ${target} 401`,
                'POST /prod/auth/session/refresh 200',
                `${method} ${target} ${expected}`,
            ]);
        }
        const refused = page.events.find(({ action }) => action === 'API_INVALID_CLAIM');
        assert.equal(refused.claimValidationErrors[0].id, 'st-role');
        // Ropeline's own: the same, and the token that it hands is the one that is shown next
        const again = await page.fetch(url('/prod/auth/signin'), {
            method: 'POST',
            headers: { 'Content-Type': 'application/json', rid: 'emailpassword' },
            body,
        });
        assert.equal((await again.json()).status, 'OK');
        await sleep(LIFE_S * 1000 + 100);
        page.asked.length = 0;
        assert.equal(await ask('GET', '/prod/reports'), 200);
        assert.deepEqual(page.asked, [
            'GET /prod/reports 401',
            'POST /prod/auth/session/refresh 200',
            'GET /prod/reports 200',
        ]);
        const token = await page.sdk.getAccessToken();
        const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
        assert.equal(claims.parentRefreshTokenHash1, null);
        assert.equal(await ask('GET', '/prod/reports'), 200);
        await page.sdk.signOut();
        assert.ok(!(await page.sdk.doesSessionExist()));
    });

    await t.test('no token and no password is in a log, a record or the state directory', async () => {
        assert.ok(secrets.size > 20);
        const places = { 'what the daemon says': gw.transcript };
        for (const verb of [['explain', '--last', '--json'], ['logs', 'TokenAuthorizer']]) {
            places[verb[0]] = (await gw.ropeline(...verb)).stdout;
            assert.ok(places[verb[0]].length > 0, verb[0]);
        }
        for (const name of readdirSync(gw.state, { recursive: true, withFileTypes: true })) {
            if (name.isFile()) {
                places[name.name] = readFileSync(path.join(name.parentPath ?? name.path, name.name), 'latin1');
            }
        }
        assert.ok(places['identity.db']);
        for (const [place, text] of Object.entries(places)) {
            for (const secret of secrets) {
                assert.ok(!text.includes(secret), `${place} has ${secret}`);
            }
        }
    });
});
