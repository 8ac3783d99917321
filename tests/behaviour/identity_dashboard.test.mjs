/* SPDX-License-Identifier: Apache-2.0
 * Users of SuperTokens' dashboard: kept apart from those of the app, and from those of other apps.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

const USER = '/recipe/dashboard/user';
const OK = { status: 'OK' };
const ana = { email: 'ana@dash.example', password: 'pass word 1' };

test('the dashboard', async (t) => {
    const core = await startCore(t);

    async function world(settings = {}) {
        const app = await core.app({ bcrypt_log_rounds: 4, ...settings });
        const call = (method) => (path, input, tenant) => core.ok(method, path, input, { app, tenant });
        const [get, put, post, del] = ['GET', 'PUT', 'POST', 'DELETE'].map(call);
        return {
            app, get, put, post, del,
            signin: (input) => post('/recipe/dashboard/signin', input),
            verify: (sessionId) => post('/recipe/dashboard/session/verify', { sessionId }),
        };
    }

    await t.test('a user is made, signs in and out', async () => {
        const w = await world();
        assert.deepEqual(await w.post(USER, ana), OK);
        const { users: [user] } = await w.get('/recipe/dashboard/users');
        assert.deepEqual(Object.keys(user).sort(), ['email', 'timeJoined', 'userId']);
        const { sessionId } = await w.signin(ana);
        assert.match(sessionId, /^[0-9a-f-]{36}$/);
        assert.deepEqual(await w.verify(sessionId), { status: 'OK', email: ana.email });
        assert.deepEqual(await w.verify(sessionId.toUpperCase()), { status: 'INVALID_SESSION_ERROR' });
        const away = await core.call('DELETE', `/recipe/dashboard/session?sessionId=${sessionId}`,
            undefined, { app: w.app });
        assert.deepEqual(away.json, OK);
        assert.deepEqual(await w.verify(sessionId), { status: 'INVALID_SESSION_ERROR' });
        assert.equal((await w.get('/users/count')).count, 0, 'it is no user of the app');
        assert.deepEqual(await w.post('/recipe/signin', ana), { status: 'WRONG_CREDENTIALS_ERROR' });
        await w.post('/recipe/signup', { email: 'bob@dash.example', password: 'pass word 1' });
        assert.deepEqual(await w.signin({ ...ana, email: 'bob@dash.example' }),
            { status: 'INVALID_CREDENTIALS_ERROR' });
    });

    await t.test('another password or e-mail, and no session is left', async () => {
        const w = await world();
        await w.post(USER, ana);
        await w.post(USER, { ...ana, email: 'bob@dash.example' });
        const { users } = await w.get('/recipe/dashboard/users');
        const { userId } = users.find((u) => u.email === ana.email);
        const [one, two] = [await w.signin(ana), await w.signin(ana)];
        assert.deepEqual(await w.put(USER, { userId, newEmail: 'bob@dash.example' }),
            { status: 'EMAIL_ALREADY_EXISTS_ERROR' });
        assert.equal((await w.verify(one.sessionId)).status, 'OK', 'nothing was changed');
        const changed = await w.put(USER, { userId, newPassword: 'pass word 2' });
        assert.deepEqual([changed.user.userId, changed.user.email], [userId, ana.email]);
        for (const { sessionId } of [one, two]) {
            assert.deepEqual(await w.verify(sessionId), { status: 'INVALID_SESSION_ERROR' });
        }
        assert.deepEqual(await w.signin(ana), { status: 'INVALID_CREDENTIALS_ERROR' });
        const { sessionId } = await w.signin({ ...ana, password: 'pass word 2' });
        assert.deepEqual(await w.del(USER, { userId }), { status: 'OK', didUserExist: true });
        assert.deepEqual(await w.verify(sessionId), { status: 'INVALID_SESSION_ERROR' });
    });

    await t.test('nothing of one app opens another', async () => {
        const [w, stranger] = [await world(), await world()];
        await w.post(USER, ana);
        const { sessionId } = await w.signin(ana);
        assert.deepEqual(await stranger.verify(sessionId), { status: 'INVALID_SESSION_ERROR' });
        assert.deepEqual(await stranger.signin(ana), { status: 'INVALID_CREDENTIALS_ERROR' });
        assert.deepEqual((await stranger.get('/recipe/dashboard/users')).users, []);
        await core.ok('POST', '/recipe/multitenancy/app/remove', { appId: w.app });
        await core.ok('PUT', '/recipe/multitenancy/app/v2', { appId: w.app });
        assert.deepEqual(await w.verify(sessionId), { status: 'INVALID_SESSION_ERROR' });
    });

    await t.test('the settings of a tenant, without secrets', async () => {
        const api_keys = 'a-key-that-nobody-is-shown';
        const w = await world({ api_keys, access_token_validity: 7200 });
        const rs = await core.call('GET', '/recipe/dashboard/tenant/core-config', undefined,
            { app: w.app, tenant: 'public', key: api_keys });
        assert.equal(rs.status, 200);
        assert.equal(rs.body.includes(api_keys), false);
        const of = (key) => rs.json.config.find((one) => one.key === key);
        const { value, defaultValue, valueType } = of('access_token_validity');
        assert.deepEqual([value, defaultValue, valueType], [7200, 3600, 'number']);
        assert.deepEqual(of('password_hashing_alg').possibleValues, ['ARGON2', 'BCRYPT']);
        assert.equal(of('access_token_dynamic_signing_key_update_interval').value, 168);
        assert.equal(of('api_keys'), undefined);
    });
});
