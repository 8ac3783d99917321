/* SPDX-License-Identifier: Apache-2.0
 * What the page of SuperTokens' dashboard asks of an application, by unmodified supertokens-node
 * with our core behind it: sign-in by e-mail and password, users, a tenant, sign-out.
 */
import assert from 'node:assert/strict';
import { startCore } from '../lib/core.mjs';
import { test } from '../lib/daemon.mjs';

const libraries = await Promise.all([
    import('supertokens-node'),
    import('supertokens-node/recipe/dashboard/index.js'),
    import('supertokens-node/recipe/emailpassword/index.js'),
    import('supertokens-node/recipe/session/index.js'),
    import('supertokens-node/framework/custom/index.js'),
]).catch(() => null);
const skip = libraries ? false : 'supertokens-node is not installed (script/bootstrap --test)';
const [supertokens, Dashboard, EmailPassword, Session, custom] = (libraries ?? []).map((m) => m.default ?? m);

const API = 'http://localhost:3000';

/** One request of the page, as the SDK's middleware takes it from any framework. */
async function ask(method, path, body, token) {
    const url = new URL(`/auth/dashboard/api${path}`, API);
    const rq = new custom.PreParsedRequest({
        url: url.href,
        method,
        cookies: {},
        query: Object.fromEntries(url.searchParams),
        headers: new Headers(token ? { authorization: `Bearer ${token}` } : {}),
        getFormBody: async () => ({}),
        getJSONBody: async () => body ?? {},
    });
    const rs = new custom.CollectingResponse();
    const { handled, error } = await custom.middleware(() => rq)(rq, rs);
    assert.equal(error, undefined);
    assert.equal(handled, true, path);
    const json = rs.statusCode === 200 ? JSON.parse(rs.body) : undefined;
    return { status: rs.statusCode, json };
}

test('the dashboard of SuperTokens', { skip }, async (t) => {
    const core = await startCore(t);
    supertokens.init({
        framework: 'custom',
        supertokens: { connectionURI: core.url },
        appInfo: { appName: 'shop', apiDomain: API, websiteDomain: API },
        recipeList: [EmailPassword.init(), Session.init(), Dashboard.init()],
    });
    const ana = { email: 'ana@dash.example', password: 'pass word 1' };
    const wrong = await ask('post', '/signin', ana);
    assert.deepEqual(wrong.json, { status: 'INVALID_CREDENTIALS_ERROR' });
    await core.ok('POST', '/recipe/dashboard/user', ana);
    const { json: { status, sessionId } } = await ask('post', '/signin', ana);
    assert.equal(status, 'OK');

    await EmailPassword.signUp('public', 'bob@shop.example', 'pass word 1');
    const list = '/users?tenantId=public&limit=10';
    assert.equal((await ask('get', list, undefined, 'another')).status, 401);
    const users = await ask('get', list, undefined, sessionId);
    assert.deepEqual(users.json.users.map((u) => u.emails), [['bob@shop.example']]);

    const { json: { tenant } } = await ask('get', '/tenant?tenantId=public', undefined, sessionId);
    assert.equal(tenant.userCount, 1);
    assert.ok(tenant.coreConfig.some((one) => one.key === 'access_token_validity'));

    assert.deepEqual((await ask('post', '/signout', undefined, sessionId)).json, { status: 'OK' });
    assert.equal((await ask('get', list, undefined, sessionId)).status, 401);
});
