/* SPDX-License-Identifier: Apache-2.0
 * Users of the identity core: found by id and by what they sign in with, listed in pages, counted,
 * removed with everything of theirs, and known by ids of the app's own.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** An app with users, and the calls of the interface in it. */
async function world(core) {
    const app = await core.app({ bcrypt_log_rounds: 4 });
    const w = {
        app,
        get: (path, query, tenant) => core.ok('GET', path, query, { app, tenant }),
        put: (path, input, tenant) => core.ok('PUT', path, input, { app, tenant }),
        post: (path, input, tenant) => core.ok('POST', path, input, { app, tenant }),
        async refuses(method, path, input, why, tenant) {
            const rs = await core.call(method, path, input, { app, tenant });
            assert.deepEqual([rs.status, rs.body.trimEnd()], [400, why], `${method} ${path}`);
        },
        tenant: (tenantId) => w.put('/recipe/multitenancy/tenant/v2', { tenantId }),
        async withPassword(email, tenant) {
            const rs = await w.post('/recipe/signup', { email, password: 'pass word 1' }, tenant);
            assert.equal(rs.status, 'OK');
            return rs.user;
        },
        async withParty(thirdPartyId, thirdPartyUserId, email, tenant) {
            const rs = await w.post(
                '/recipe/signinup',
                { thirdPartyId, thirdPartyUserId, email: { id: email, isVerified: true } },
                tenant,
            );
            assert.equal(rs.status, 'OK');
            return rs.user;
        },
        async withPhone(phoneNumber, tenant) {
            const code = await w.post('/recipe/signinup/code', { phoneNumber }, tenant);
            const { preAuthSessionId, linkCode } = code;
            const rs = await w.post('/recipe/signinup/code/consume', { preAuthSessionId, linkCode }, tenant);
            assert.equal(rs.status, 'OK');
            return rs.user;
        },
        user: (userId) => w.get('/user/id', { userId }),
        async ids(query, tenant) {
            return (await w.get('/users', query, tenant)).users.map((u) => u.id);
        },
    };
    return w;
}

test('users', async (t) => {
    const core = await startCore(t);

    await t.test('a user as the interface shows it', async () => {
        const w = await world(core);
        const before = Date.now();
        const ada = await w.withPassword(' Ada@Example.COM ');
        const { id, timeJoined } = ada;
        assert.match(id, UUID);
        assert.ok(timeJoined >= before && timeJoined <= Date.now());
        assert.deepEqual(await w.user(id), {
            status: 'OK',
            user: {
                id,
                isPrimaryUser: false,
                tenantIds: ['public'],
                timeJoined,
                emails: ['ada@example.com'],
                phoneNumbers: [],
                thirdParty: [],
                webauthn: { credentialIds: [] },
                loginMethods: [
                    {
                        tenantIds: ['public'],
                        recipeUserId: id,
                        verified: false,
                        timeJoined,
                        recipeId: 'emailpassword',
                        email: 'ada@example.com',
                    },
                ],
            },
        });
        const of52 = await core.ok('GET', '/user/id', { userId: id }, { app: w.app, version: '5.2' });
        assert.equal('webauthn' in of52.user, false);
        for (const userId of ['', 'nobody', "' OR 1=1 --", randomUUID()]) {
            assert.deepEqual(await w.user(userId), { status: 'UNKNOWN_USER_ID_ERROR' });
        }
        await w.refuses('GET', '/user/id', undefined, "Field name 'userId' is missing in GET request");
        const elsewhere = await world(core);
        assert.deepEqual(await elsewhere.user(id), { status: 'UNKNOWN_USER_ID_ERROR' });
    });

    await t.test('pages, in the order in which they joined', async () => {
        const w = await world(core);
        await w.tenant('other');
        const all = [];
        for (let i = 0; i < 7; i++) {
            all.push((await w.withParty('google', `g${i}`, `u${i}@page.example`)).id);
        }
        const elsewhere = (await w.withParty('google', 'g0', 'u0@page.example', 'other')).id;
        for (const timeJoinedOrder of ['ASC', 'DESC']) {
            const order = timeJoinedOrder === 'ASC' ? all : [...all].reverse();
            const whole = await w.get('/users', { timeJoinedOrder });
            assert.deepEqual(Object.keys(whole), ['status', 'users']);
            const byTime = whole.users.map((u) => u.id);
            assert.deepEqual([...byTime].sort(), [...all].sort());
            const times = whole.users.map((u) => u.timeJoined);
            const sorted = [...times].sort((a, b) => (timeJoinedOrder === 'ASC' ? a - b : b - a));
            assert.deepEqual(times, sorted);
            if (new Set(times).size === all.length) {
                assert.deepEqual(byTime, order);
            }
            const seen = [];
            let page = {};
            do {
                page = await w.get('/users', {
                    timeJoinedOrder,
                    limit: 3,
                    ...(page.nextPaginationToken && { paginationToken: page.nextPaginationToken }),
                });
                seen.push(page.users.map((u) => u.id));
                if (page.nextPaginationToken) {
                    const next = Buffer.from(page.nextPaginationToken, 'base64').toString().split(';');
                    assert.equal(next[0], byTime[seen.flat().length]);
                    assert.equal(Number(next[1]), times[seen.flat().length]);
                }
            } while (page.nextPaginationToken);
            assert.deepEqual(seen.map((p) => p.length), [3, 3, 1]);
            assert.deepEqual(seen.flat(), byTime);
        }
        assert.deepEqual(await w.ids({}, 'other'), [elsewhere]);
        assert.equal((await w.get('/users', { limit: 7 })).nextPaginationToken, undefined);
        assert.equal((await w.get('/users', { limit: 500 })).users.length, 7);
    });

    await t.test('pages that are refused, in the words of the core', async () => {
        const w = await world(core);
        const refuses = (query, why) => w.refuses('GET', '/users', query, why);
        await refuses({ limit: 501 }, 'max limit allowed is 500');
        for (const limit of ['0', '-1', 'x', '']) {
            await refuses({ limit }, 'limit must a positive integer with min value 1');
        }
        for (const token of ['', '%%', 'bm9uZQ==', btoa(';5'), btoa('a;'), btoa('a;b'), btoa('a\0;1')]) {
            await refuses({ paginationToken: token }, 'invalid pagination token');
        }
        await refuses({ timeJoinedOrder: 'UP' }, 'timeJoinedOrder can be either ASC OR DESC');
        await refuses({ includeRecipeIds: 'emailpassword,none' }, 'Unknown recipe ID: none');
    });

    await t.test('by recipe, and how many', async () => {
        const w = await world(core);
        await w.tenant('other');
        const password = (await w.withPassword('one@count.example')).id;
        const party = (await w.withParty('github', '1', 'one@count.example')).id;
        const phone = (await w.withPhone('+4930123456')).id;
        await w.withPhone('+4930123457', 'other');
        const listed = async (includeRecipeIds) => (await w.ids({ includeRecipeIds })).sort();
        const count = async (query, tenant) => (await w.get('/users/count', query, tenant)).count;
        assert.deepEqual(await listed('emailpassword'), [password]);
        assert.deepEqual(await listed('thirdparty'), [party]);
        assert.deepEqual(await listed('passwordless'), [phone]);
        assert.deepEqual(await listed('thirdparty,passwordless'), [party, phone].sort());
        assert.deepEqual(await listed('webauthn'), []);
        assert.equal(await count({}), 3);
        assert.equal(await count({ includeRecipeIds: 'emailpassword,thirdparty' }), 2);
        assert.equal(await count({}, 'other'), 1);
        assert.equal(await count({ includeAllTenants: 'true' }), 4);
        assert.equal(await count({ includeAllTenants: 'true', includeRecipeIds: 'passwordless' }), 2);
        await w.refuses('GET', '/users/count', { includeRecipeIds: 'x' }, 'Unknown recipe ID: x');
    });

    await t.test('search by beginnings of address, domain, number and provider', async () => {
        const w = await world(core);
        const who = {
            johndoe: (await w.withPassword('john.doe@example.com')).id,
            jane: (await w.withPassword('jane@other.example')).id,
            google: (await w.withParty('google', 'x', 'johnny@gmail.com')).id,
            saml: (await w.withParty('google-workspaces', 'y', 'z@example.com')).id,
            phone: (await w.withPhone('+49301234')).id,
        };
        const found = async (query) => {
            const ids = await w.ids(query);
            return Object.keys(who).filter((name) => ids.includes(who[name]));
        };
        assert.deepEqual(await found({ email: 'john' }), ['johndoe', 'google']);
        assert.deepEqual(await found({ email: ' JOHN ' }), ['johndoe', 'google']);
        assert.deepEqual(await found({ email: 'example.com' }), ['johndoe', 'saml']);
        assert.deepEqual(await found({ email: 'doe' }), []);
        assert.deepEqual(await found({ email: 'jane;gmail' }), ['jane', 'google']);
        assert.deepEqual(await found({ phone: '+4930' }), ['phone']);
        assert.deepEqual(await found({ provider: 'google' }), ['google', 'saml']);
        assert.deepEqual(await found({ provider: 'google', email: 'john' }), ['google']);
        assert.deepEqual(await found({ provider: 'github;google-w' }), ['saml']);
        assert.deepEqual(await found({ phone: '+1', email: 'john' }), []);
        for (const email of ['%', '_', "' OR '1'='1", '*']) {
            assert.deepEqual(await found({ email }), [], email);
        }
        assert.deepEqual(await core.ok('GET', '/user/search/tags', undefined, { app: w.app }), {
            status: 'OK',
            tags: ['email', 'phone', 'provider'],
        });
        // The cap of a page does not apply to a search, nor is there a next page.
        const rs = await w.get('/users', { email: 'john', limit: 1 });
        assert.equal(rs.users.length, 2);
        await w.refuses('GET', '/users', { email: 'a;b;c;d;e;f;g;h;i' },
            'at most 8 values of email can be searched for');
    });

    await t.test('by account info, all or any of it', async () => {
        const w = await world(core);
        const password = (await w.withPassword('same@info.example')).id;
        const party = (await w.withParty('google', 'same', 'same@info.example')).id;
        const phone = (await w.withPhone('+4930999')).id;
        const by = async (query) => {
            const rs = await w.get('/users/by-accountinfo', { doUnionOfAccountInfo: 'false', ...query });
            return rs.users.map((u) => u.id).sort();
        };
        const google = { thirdPartyId: 'google', thirdPartyUserId: 'same' };
        assert.deepEqual(await by({ email: 'Same@info.example' }), [password, party].sort());
        assert.deepEqual(await by({ email: 'same@info.example', ...google }), [party]);
        assert.deepEqual(await by({ email: 'other@info.example', ...google }), []);
        assert.deepEqual(await by({ phoneNumber: '+4930999', ...google }), []);
        assert.deepEqual(await by({ doUnionOfAccountInfo: 'true', phoneNumber: '+4930999', ...google }),
            [party, phone].sort());
        assert.deepEqual(await by({}), []);
        assert.deepEqual(await by({ webauthnCredentialId: 'c' }), []);
        // Those who have no address are not found by one that is empty, or none.
        for (const nothing of ['', ' ', '\u0001', 'x'.repeat(400)]) {
            assert.deepEqual(await by({ email: nothing }), []);
            assert.deepEqual(await by({ phoneNumber: nothing }), []);
            assert.deepEqual(await by({ thirdPartyId: nothing, thirdPartyUserId: nothing }), []);
        }
        await w.refuses('GET', '/users/by-accountinfo', { doUnionOfAccountInfo: 'true', thirdPartyId: 'a' },
            'If thirdPartyId is provided, thirdPartyUserId must also be provided and vice versa');
    });

    await t.test('a user is removed with everything of theirs', async () => {
        const w = await world(core);
        const { id } = await w.withPassword('gone@remove.example');
        const stays = (await w.withPassword('stays@remove.example')).id;
        await w.put('/recipe/role', { role: 'admin' });
        for (const userId of [id, stays]) {
            await w.put('/recipe/user/role', { userId, role: 'admin' });
            await w.put('/recipe/user/metadata', { userId, metadataUpdate: { a: 1 } });
        }
        const session = (userId) =>
            w.post('/recipe/session', {
                userId,
                enableAntiCsrf: false,
                userDataInJWT: {},
                userDataInDatabase: {},
            });
        const of = await session(id);
        const { token } = await w.post('/recipe/user/email/verify/token', {
            userId: id,
            email: 'gone@remove.example',
        });
        assert.deepEqual(await w.post('/user/remove', { userId: id }), { status: 'OK' });
        assert.deepEqual(await w.post('/user/remove', { userId: id }), { status: 'OK' });
        assert.deepEqual(await w.user(id), { status: 'UNKNOWN_USER_ID_ERROR' });
        assert.deepEqual((await w.get('/recipe/user/roles', { userId: id })).roles, []);
        assert.deepEqual((await w.get('/recipe/user/metadata', { userId: id })).metadata, {});
        assert.deepEqual((await w.get('/recipe/session/user', { userId: id })).sessionHandles, []);
        const refreshed = await w.post('/recipe/session/refresh', {
            refreshToken: of.refreshToken.token,
            enableAntiCsrf: false,
            useDynamicSigningKey: true,
        });
        assert.equal(refreshed.status, 'UNAUTHORISED');
        const verified = await w.post('/recipe/user/email/verify', { method: 'token', token });
        assert.equal(verified.status, 'EMAIL_VERIFICATION_INVALID_TOKEN_ERROR');
        assert.deepEqual((await w.get('/recipe/role/users', { role: 'admin' })).users, [stays]);
        assert.deepEqual(await w.ids({}), [stays]);
        // The address is free again, and who takes it inherits nothing.
        const again = await w.withPassword('gone@remove.example');
        assert.notEqual(again.id, id);
        assert.deepEqual((await w.get('/recipe/user/roles', { userId: again.id })).roles, []);
        // What the app keeps for users that it has elsewhere goes too.
        await w.put('/recipe/user/metadata', { userId: 'elsewhere', metadataUpdate: { a: 1 } });
        await w.post('/user/remove', { userId: 'elsewhere' });
        assert.deepEqual((await w.get('/recipe/user/metadata', { userId: 'elsewhere' })).metadata, {});
    });

    await t.test('ids of the app\'s own', async () => {
        const w = await world(core);
        const { id } = await w.withPassword('mapped@map.example');
        const MAP = '/recipe/userid/map';
        const map = (input) => w.post(MAP, { superTokensUserId: id, externalUserId: 'ext-1', ...input });
        const find = (userId, userIdType) => w.get(MAP, { userId, ...(userIdType && { userIdType }) });
        const NONE = { status: 'UNKNOWN_MAPPING_ERROR' };
        assert.deepEqual(await map({ superTokensUserId: 'nobody' }), {
            status: 'UNKNOWN_SUPERTOKENS_USER_ID_ERROR',
        });
        assert.deepEqual(await find(id), NONE);
        assert.deepEqual(await map({ externalUserIdInfo: 'from the old shop' }), { status: 'OK' });
        const mapping = {
            status: 'OK',
            superTokensUserId: id,
            externalUserId: 'ext-1',
            externalUserIdInfo: 'from the old shop',
        };
        assert.deepEqual(await find(id), mapping);
        assert.deepEqual(await find('ext-1'), mapping);
        assert.deepEqual(await find(id, 'SUPERTOKENS'), mapping);
        assert.deepEqual(await find('ext-1', 'EXTERNAL'), mapping);
        assert.deepEqual(await find('ext-1', 'SUPERTOKENS'), NONE);
        assert.deepEqual(await find(id, 'EXTERNAL'), NONE);
        await w.refuses('GET', MAP, { userId: id, userIdType: 'x' },
            "Field name 'userIdType' should be one of 'SUPERTOKENS', 'EXTERNAL' or 'ANY'");

        // Shown everywhere from now on, found by either.
        for (const known of [id, 'ext-1']) {
            const { user } = await w.user(known);
            assert.equal(user.id, 'ext-1');
            assert.equal(user.loginMethods[0].recipeUserId, 'ext-1');
        }
        assert.deepEqual(await w.ids({}), ['ext-1']);
        const signedIn = await w.post('/recipe/signin', {
            email: 'mapped@map.example',
            password: 'pass word 1',
        });
        assert.deepEqual([signedIn.user.id, signedIn.recipeUserId], ['ext-1', 'ext-1']);

        const EXISTS = 'USER_ID_MAPPING_ALREADY_EXISTS_ERROR';
        const other = (await w.withPassword('other@map.example')).id;
        const exists = (a, b) => ({
            status: EXISTS,
            doesSuperTokensUserIdExist: a,
            doesExternalUserIdExist: b,
        });
        assert.deepEqual(await map(), exists(true, true));
        assert.deepEqual(await map({ externalUserId: 'ext-2' }), exists(true, false));
        assert.deepEqual(await map({ superTokensUserId: other }), exists(false, true));

        const info = (input) => w.put('/recipe/userid/external-user-id-info', { userId: 'ext-1', ...input });
        assert.deepEqual(await info({ externalUserIdInfo: 'new' }), { status: 'OK' });
        assert.equal((await find(id)).externalUserIdInfo, 'new');
        await info({ externalUserIdInfo: null });
        assert.equal('externalUserIdInfo' in (await find(id)), false);
        assert.deepEqual(await info({ userId: 'none', externalUserIdInfo: 'x' }), NONE);

        // Not taken away from under what is kept for it.
        await w.put('/recipe/user/metadata', { userId: 'ext-1', metadataUpdate: { a: 1 } });
        await w.refuses('POST', `${MAP}/remove`, { userId: 'ext-1' },
            'UserId is already in use in UserMetadata recipe');
        assert.deepEqual(await w.post(`${MAP}/remove`, { userId: 'ext-1', force: true }), {
            status: 'OK',
            didMappingExist: true,
        });
        assert.deepEqual(await w.post(`${MAP}/remove`, { userId: 'ext-1' }), {
            status: 'OK',
            didMappingExist: false,
        });
        assert.equal((await w.user(id)).user.id, id);
    });

    await t.test('a mapping is refused for an id in use, unless it is forced', async () => {
        const w = await world(core);
        const MAP = '/recipe/userid/map';
        const { id } = await w.withPassword('used@map.example');
        const other = (await w.withPassword('other@map.example')).id;
        await w.put('/recipe/role', { role: 'r' });
        await w.put('/recipe/user/role', { userId: id, role: 'r' });
        const input = { superTokensUserId: id, externalUserId: 'ext' };
        await w.refuses('POST', MAP, input, 'UserId is already in use in UserRoles recipe');
        await w.refuses('POST', MAP, { superTokensUserId: other, externalUserId: id },
            'Cannot create a userId mapping where the externalId is also a SuperTokens userID');
        assert.deepEqual(await w.post(MAP, { ...input, force: true }), { status: 'OK' });
        await w.refuses('POST', MAP, { superTokensUserId: id, externalUserId: ' ' },
            "Field name 'externalUserId' cannot be an empty String");
        await w.refuses('POST', MAP, { superTokensUserId: id },
            "Field name 'externalUserId' is invalid in JSON input");
    });

    await t.test('a mapped user is removed by either id, and the mapping goes', async () => {
        for (const by of ['internal', 'external']) {
            const w = await world(core);
            const { id } = await w.withPassword('m@remove.example');
            await w.post('/recipe/userid/map', { superTokensUserId: id, externalUserId: 'ext' });
            await w.put('/recipe/user/metadata', { userId: 'ext', metadataUpdate: { a: 1 } });
            await w.post('/user/remove', { userId: by === 'internal' ? id : 'ext' });
            assert.deepEqual(await w.ids({}), []);
            assert.deepEqual((await w.get('/recipe/user/metadata', { userId: 'ext' })).metadata, {});
            assert.deepEqual(await w.get('/recipe/userid/map', { userId: 'ext' }), {
                status: 'UNKNOWN_MAPPING_ERROR',
            });
        }
    });

    await t.test('an id of one app means nothing in another', async () => {
        const [w, other] = [await world(core), await world(core)];
        const { id } = await w.withPassword('mine@cross.example');
        const theirs = (await other.withPassword('theirs@cross.example')).id;
        await w.put('/recipe/user/metadata', { userId: id, metadataUpdate: { mine: true } });
        assert.deepEqual(await other.post('/user/remove', { userId: id }), { status: 'OK' });
        assert.equal((await w.user(id)).status, 'OK');
        assert.deepEqual((await w.get('/recipe/user/metadata', { userId: id })).metadata, { mine: true });
        assert.deepEqual((await other.get('/recipe/user/metadata', { userId: id })).metadata, {});
        assert.deepEqual(
            await other.post('/recipe/userid/map', { superTokensUserId: id, externalUserId: 'x' }),
            { status: 'UNKNOWN_SUPERTOKENS_USER_ID_ERROR' },
        );
        await other.post('/recipe/accountlinking/user/primary', { recipeUserId: theirs });
        await other.refuses('POST', '/recipe/accountlinking/user/link',
            { recipeUserId: id, primaryUserId: theirs }, 'Unknown user ID provided');
        await w.tenant('t1');
        const rs = await other.post('/recipe/multitenancy/tenant/user', { recipeUserId: id });
        assert.equal(rs.status, 'UNKNOWN_USER_ID_ERROR');
    });

    await t.test('an address has one normal form, and only what is the same is the same', async () => {
        const w = await world(core);
        const again = (email) => w.post('/recipe/signup', { email, password: 'pass word 1' });
        await w.withPassword('Straße.É@EXAMPLE.com');
        for (const same of ['straße.é@example.com', ' STRAßE.É@example.COM\n']) {
            assert.deepEqual(await again(same), { status: 'EMAIL_ALREADY_EXISTS_ERROR' });
        }
        await w.withPassword('admin@example.com');
        assert.deepEqual(await again('ADMIN@example.com'), { status: 'EMAIL_ALREADY_EXISTS_ERROR' });
        // Dotless i, a Cyrillic letter, a full stop that is none: others.
        for (const other of ['adm\u0131n@example.com', '\u0430dmin@example.com', 'admin@example\u3002com']) {
            await w.withPassword(other);
        }
        const found = await w.get('/users/by-accountinfo', {
            doUnionOfAccountInfo: 'true',
            email: 'ADMIN@EXAMPLE.COM',
        });
        assert.deepEqual(found.users.map((u) => u.emails), [['admin@example.com']]);
        for (const none of ['a\u0007@example.com', 'a\u009b@example.com', `${'a'.repeat(10_000)}@example.com`]) {
            await w.refuses('POST', '/recipe/signup', { email: none, password: 'pass word 1' },
                "Field name 'email' is invalid in JSON input");
        }
    });

    await t.test('who was active since', async () => {
        const w = await world(core);
        const since = Date.now();
        await w.withPassword('active@seen.example');
        await w.post('/recipe/signin', { email: 'active@seen.example', password: 'pass word 1' });
        assert.equal((await w.get('/users/count/active', { since })).count, 1);
        assert.equal((await w.get('/users/count/active', { since: Date.now() + 60_000 })).count, 0);
        await w.refuses('GET', '/users/count/active', { since: '-1' },
            "'since' query parameter must be a positive integer");
    });
});
