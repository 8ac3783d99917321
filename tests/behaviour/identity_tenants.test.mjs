/* SPDX-License-Identifier: Apache-2.0
 * Apps and tenants of the identity core: made, changed, listed, removed; their settings, their
 * first factors and their providers.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { startCore } from '../lib/core.mjs';

const MT = '/recipe/multitenancy';
const KEY = 'aaaaaaaaaaaaaaaaaaaaaaa';

test('apps and tenants', async (t) => {
    const core = await startCore(t);
    const text = async (...args) => {
        const rs = await core.call(...args);
        return [rs.status, rs.body.trimEnd()];
    };
    const putApp = (input, options) => core.call('PUT', `${MT}/app/v2`, input, options);
    const refusesApp = async (input, why, status = 400) => {
        const rs = await putApp(input);
        assert.deepEqual([rs.status, rs.body.trimEnd()], [status, why]);
    };

    await t.test('an app is made once and changed after', async () => {
        const appId = `T-${randomUUID()}`;
        const made = await core.ok('PUT', `${MT}/app/v2`, { appId: ` ${appId}\t`, coreConfig: {} });
        assert.deepEqual(made, { status: 'OK', createdNew: true });
        const again = await core.ok('PUT', `${MT}/app/v2`, { appId });
        assert.deepEqual(again, { status: 'OK', createdNew: false });
        const app = appId.toLowerCase();
        assert.deepEqual(await core.ok('GET', `${MT}/tenant/v2`, undefined, { app }), {
            status: 'OK',
            tenantId: 'public',
            thirdParty: { providers: [] },
            coreConfig: {},
        });
    });

    await t.test('ids that are none, in the words of the core', async () => {
        await refusesApp({ appId: '' }, 'appId should not be an empty String');
        await refusesApp({ appId: 'appid-x' }, "appId must not start with 'appid-'");
        await refusesApp({ appId: 'a b' }, 'appId can only contain letters, numbers and hyphens');
        await refusesApp({ appId: 'é' }, 'appId can only contain letters, numbers and hyphens');
        await refusesApp({ appId: 'a'.repeat(65) }, 'appId must not be longer than 64');
        await refusesApp({ appId: 7 }, "Field name 'appId' is invalid in JSON input");
        await refusesApp({ appId: 'x', emailPasswordEnabled: true },
            'emailPasswordEnabled is not a valid input for this API');
        const app = await core.app();
        const put = (tenantId) => text('PUT', `${MT}/tenant/v2`, { tenantId }, { app });
        for (const tenantId of ['recipe', 'Config', 'users', 'hello']) {
            assert.deepEqual(await put(tenantId), [
                400, `Cannot use '${tenantId.toLowerCase()}' as a tenantId`,
            ]);
        }
        assert.deepEqual(await put('appid-x'), [400, "tenantId must not start with 'appid-'"]);
    });

    await t.test('settings are judged as a whole, and kept when they are good', async () => {
        const bad = async (coreConfig, why) =>
            refusesApp({ appId: `t-${randomUUID()}`, coreConfig }, `Invalid core config: ${why}`);
        await bad({ access_token_validity: 0 },
            "'access_token_validity' must be between 1 and 86400000 seconds inclusive.");
        await bad({ no_such_setting: 1 }, 'Invalid config key: no_such_setting');
        await bad({ refresh_token_validity: 1, access_token_validity: 60 },
            "'refresh_token_validity' must be strictly greater than 'access_token_validity'.");
        await refusesApp({ coreConfig: { access_token_validity: 7 } }, 'Cannot modify base config');

        const app = await core.app({ access_token_validity: '20', totp_max_attempts: 3 });
        const config = async () =>
            (await core.ok('GET', `${MT}/tenant/v2`, undefined, { app })).coreConfig;
        assert.deepEqual(await config(), { access_token_validity: '20', totp_max_attempts: 3 });
        await core.ok('PUT', `${MT}/app/v2`, {
            appId: app,
            coreConfig: { access_token_validity: null, passwordless_code_lifetime: 5 },
        });
        assert.deepEqual(await config(), { totp_max_attempts: 3, passwordless_code_lifetime: 5 });
        const rs = await putApp({ appId: app, coreConfig: { totp_max_attempts: 'x' } });
        assert.equal(rs.status, 400);
        assert.deepEqual(await config(), { totp_max_attempts: 3, passwordless_code_lifetime: 5 });
    });

    await t.test('a refused app leaves nothing behind', async () => {
        const appId = `t-${randomUUID()}`;
        await putApp({ appId, coreConfig: { access_token_validity: -1 } });
        const rs = await core.call('GET', '/telemetry', undefined, { app: appId });
        assert.equal(rs.status, 400);
    });

    await t.test('a tenant shares with its app what all of them must', async () => {
        const app = await core.app({ access_token_validity: 100 });
        const put = (coreConfig) =>
            text('PUT', `${MT}/tenant/v2`, { tenantId: 't1', coreConfig }, { app });
        assert.deepEqual(await put({ access_token_validity: 101 }), [
            400,
            'Invalid core config: You cannot set different values for access_token_validity for ' +
                'the same appId',
        ]);
        assert.equal((await put({ access_token_validity: 100, totp_max_attempts: 9 }))[0], 200);
    });

    await t.test('the keys of an app are asked for in all its tenants, known or not', async () => {
        const app = await core.app({ api_keys: KEY });
        const get = async (options) =>
            (await core.call('GET', `${MT}/tenant/v2`, undefined, { app, ...options })).status;
        assert.equal(await get({}), 401);
        assert.equal(await get({ tenant: 'nowhere' }), 401);
        assert.equal(await get({ key: KEY }), 200);
        const none = await core.ok('GET', `${MT}/tenant/v2`, undefined,
            { app, tenant: 'nowhere', key: KEY });
        assert.deepEqual(none, { status: 'TENANT_NOT_FOUND_ERROR' });
        await core.ok('PUT', `${MT}/app/v2`, { appId: app, coreConfig: { api_keys: null } });
        assert.equal(await get({}), 200);
    });

    await t.test('first factors: none at first, a list, empty, unset', async () => {
        const app = await core.app();
        const put = (input) =>
            core.ok('PUT', `${MT}/tenant/v2`, { tenantId: 'T1', ...input }, { app });
        const get = async () =>
            core.ok('GET', `${MT}/tenant/v2`, undefined, { app, tenant: 't1' });
        assert.deepEqual(await put({}), { status: 'OK', createdNew: true });
        assert.deepEqual((await get()).firstFactors, []);
        assert.equal((await put({ firstFactors: ['emailpassword', 'otp-phone'] })).createdNew, false);
        assert.deepEqual((await get()).firstFactors, ['emailpassword', 'otp-phone']);
        await put({ requiredSecondaryFactors: ['totp'] });
        assert.deepEqual((await get()).requiredSecondaryFactors, ['totp']);
        await put({ firstFactors: [], requiredSecondaryFactors: null });
        assert.deepEqual((await get()).firstFactors, []);
        assert.equal('requiredSecondaryFactors' in (await get()), false);
        await put({ firstFactors: null });
        assert.equal('firstFactors' in (await get()), false);

        const bad = async (firstFactors) =>
            text('PUT', `${MT}/tenant/v2`, { tenantId: 't1', firstFactors }, { app });
        const type = "Field name 'firstFactors' is invalid in JSON input";
        assert.deepEqual(await bad('emailpassword'), [400, type]);
        assert.deepEqual(await bad([1]), [400, type]);
        assert.deepEqual(await bad(['a', 'a']),
            [400, 'firstFactors input should not contain duplicate values']);
        assert.deepEqual(await bad(['a b']),
            [400, 'firstFactors should contain only 0-9,a-z,A-Z,_,.,- characters']);
    });

    await t.test('who may change whom', async () => {
        const [app, other] = [await core.app(), await core.app()];
        const as = (input, options) => text('PUT', `${MT}/app/v2`, input, options);
        assert.equal((await as({ appId: app }, { app }))[0], 200);
        assert.deepEqual(await as({ appId: other }, { app }),
            [403, 'You must use the public or same app to add/update an app']);
        for (const tenantId of ['t1', 't2']) {
            await core.ok('PUT', `${MT}/tenant/v2`, { tenantId }, { app });
        }
        const put = (tenantId) =>
            text('PUT', `${MT}/tenant/v2`, { tenantId }, { app, tenant: 't1' });
        assert.equal((await put('t1'))[0], 200);
        assert.deepEqual(await put('t2'),
            [403, 'You must use the public or same tenant to add/update a tenant']);
        assert.deepEqual(await text('GET', `${MT}/app/list/v2`, undefined, { app }),
            [403, 'Only the public app can call this API']);
        assert.deepEqual(
            await text('GET', `${MT}/tenant/list/v2`, undefined, { app, tenant: 't1' }),
            [403, 'Only public tenantId can call this app specific API'],
        );
    });

    await t.test('lists, and removal', async () => {
        const app = await core.app();
        for (const tenantId of ['t1', 't2', 't3']) {
            await core.ok('PUT', `${MT}/tenant/v2`, { tenantId }, { app });
        }
        const names = async () => {
            const { tenants } = await core.ok('GET', `${MT}/tenant/list/v2`, undefined, { app });
            return tenants.map((one) => one.tenantId);
        };
        assert.deepEqual(await names(), ['public', 't1', 't2', 't3']);
        const { apps } = await core.ok('GET', `${MT}/app/list/v2`);
        const found = apps.find((one) => one.appId === app);
        assert.deepEqual(found.tenants.map((one) => one.tenantId), ['public', 't1', 't2', 't3']);
        assert.ok(apps.some((one) => one.appId === 'public'));

        const remove = (tenantId) => text('POST', `${MT}/tenant/remove`, { tenantId }, { app });
        assert.deepEqual(await remove('public'),
            [403, 'Cannot delete public tenant, use remove app API instead']);
        assert.deepEqual(JSON.parse((await remove('T3'))[1]), { status: 'OK', didExist: true });
        assert.deepEqual(JSON.parse((await remove('t3'))[1]), { status: 'OK', didExist: false });
        assert.deepEqual(await names(), ['public', 't1', 't2']);
        const gone = await core.ok('GET', `${MT}/tenant/v2`, undefined, { app, tenant: 't3' });
        assert.equal(gone.status, 'TENANT_NOT_FOUND_ERROR');

        const removeApp = (appId, options) =>
            text('POST', `${MT}/app/remove`, { appId }, options);
        assert.deepEqual(await removeApp('public'), [
            403, 'Cannot delete the public app, use remove connection uri domain API instead',
        ]);
        assert.deepEqual(await removeApp(app, { app }),
            [403, 'Only the public tenantId and public appId is allowed to delete an app']);
        assert.deepEqual(await removeApp(app), [
            403,
            'Please delete all tenants except the public tenant for this app before calling the ' +
                'delete API',
        ]);
        await remove('t1');
        await remove('t2');
        assert.deepEqual(JSON.parse((await removeApp(app))[1]), { status: 'OK', didExist: true });
        assert.deepEqual(JSON.parse((await removeApp(app))[1]), { status: 'OK', didExist: false });
        assert.equal((await core.call('GET', '/telemetry', undefined, { app })).status, 400);
    });

    await t.test('what is under way when its app or tenant goes leaves nothing behind', async () => {
        const user = { email: 'late@example.com', password: 'validpass1' };
        for (const [what, make, remove, tenant] of [
            [`${MT}/app`, 'appId', {}, 'public'],
            [`${MT}/tenant`, 'tenantId', undefined, 't1'],
        ]) {
            // hashing takes long enough for the removal to come between
            const app = await core.app({ password_hashing_alg: 'BCRYPT', bcrypt_log_rounds: 13 });
            const id = make === 'appId' ? app : 't1';
            const options = remove ?? { app };
            await core.ok('PUT', `${what}/v2`, { [make]: id }, options);
            const late = core.call('POST', '/recipe/signup', user, { app, tenant });
            await setTimeout(100);
            await core.ok('POST', `${what}/remove`, { [make]: id }, options);
            const { status, body } = await late;
            assert.deepEqual([status, body.slice(0, 30)], [400, 'AppId or tenantId not found =>']);
            await core.ok('PUT', `${what}/v2`, { [make]: id }, options);
            const { count } = await core.ok('GET', '/users/count', undefined, { app, tenant });
            assert.equal(count, 0);
        }
    });

    await t.test('providers are kept as they are given', async () => {
        const app = await core.app();
        await core.ok('PUT', `${MT}/tenant/v2`, { tenantId: 't1' }, { app });
        const put = (config, options = {}) =>
            core.call('PUT', `${MT}/config/thirdparty`, { config, ...options },
                { app, tenant: 't1' });
        const providers = async (tenant) =>
            (await core.ok('GET', `${MT}/tenant/v2`, undefined, { app, tenant })).thirdParty
                .providers;
        const google = {
            thirdPartyId: 'google',
            clients: [{ clientId: 'abcd', clientType: null, scope: ['openid'] }],
            authorizationEndpointQueryParams: { key1: null, key2: 'value' },
            ['__proto__x']: { nested: [1, 2.5, true, 'é'] },
        };
        assert.deepEqual((await put(google)).json, { status: 'OK', createdNew: true });
        assert.deepEqual(await providers('t1'), [google]);
        assert.deepEqual(await providers('public'), []);
        const changed = { thirdPartyId: ' google ', clients: [{ clientId: 'new' }] };
        assert.deepEqual((await put(changed)).json, { status: 'OK', createdNew: false });
        assert.deepEqual(await providers('t1'), [{ ...changed, thirdPartyId: 'google' }]);
        assert.equal((await put({ thirdPartyId: 'b', clients: [] })).json.createdNew, true);
        assert.deepEqual((await providers('t1')).map((p) => p.thirdPartyId), ['google', 'b']);

        const bad = async (config, options) => {
            const rs = await put(config, options);
            return [rs.status, rs.body.trimEnd()];
        };
        const invalid = (why) => [400, `Invalid third party config: ${why}`];
        assert.deepEqual(await bad({}),
            [400, "Field name 'thirdPartyId' is invalid in JSON input"]);
        assert.deepEqual(await bad({ thirdPartyId: ' ' }),
            invalid('thirdPartyId cannot be null or empty'));
        assert.deepEqual(await bad({ thirdPartyId: 'x', clients: [{}] }),
            invalid('clientId cannot be null'));
        assert.deepEqual(
            await bad({ thirdPartyId: 'x', clients: [{ clientId: 'a' }, { clientId: 'b' }] }),
            invalid('Duplicate clientType was specified in the clients list.'),
        );
        assert.deepEqual(
            await bad({ thirdPartyId: 'x', clients: [{ clientId: 'a', scope: ['s', null] }] }),
            invalid('scope array cannot contain a null'),
        );
        assert.deepEqual(
            await bad({ thirdPartyId: 'apple', clients: [{ clientId: 'a' }] }),
            invalid('a non empty string value must be specified for keyId, teamId and privateKey ' +
                'in the additionalConfig for Apple provider'),
        );
        assert.deepEqual(
            await bad({ thirdPartyId: 'google-workspaces',
                clients: [{ clientId: 'a', additionalConfig: { hd: '' } }] }),
            invalid('hd in additionalConfig must be a non empty string value'),
        );
        assert.equal((await put({ thirdPartyId: 'x', clients: [{}] },
            { skipValidation: true })).status, 200);

        const remove = async (thirdPartyId) =>
            core.ok('POST', `${MT}/config/thirdparty/remove`, { thirdPartyId },
                { app, tenant: 't1' });
        assert.deepEqual(await remove('x'), { status: 'OK', didConfigExist: true });
        assert.deepEqual(await remove('x'), { status: 'OK', didConfigExist: false });
        assert.deepEqual((await providers('t1')).map((p) => p.thirdPartyId), ['google', 'b']);
    });

    await t.test('a hundred callers make one app once', async () => {
        const appId = `t-${randomUUID()}`;
        const made = await Promise.all(
            Array.from({ length: 100 }, () => core.ok('PUT', `${MT}/app/v2`, { appId })),
        );
        assert.equal(made.filter((one) => one.createdNew).length, 1);
    });

    await t.test('nobody reaches into the settings of others by odd names', async () => {
        const app = await core.app();
        for (const tenant of ["x'; DROP TABLE tenant; --", '..', '%2e%2e', 'a%00b']) {
            const rs = await core.call('GET', `/${encodeURIComponent(tenant)}${MT}/tenant/v2`,
                undefined, { app });
            assert.equal(rs.status, 404);
        }
        assert.equal((await core.ok('GET', `${MT}/tenant/v2`, undefined, { app })).status, 'OK');
    });
});
