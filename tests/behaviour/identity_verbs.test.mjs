/* SPDX-License-Identifier: Apache-2.0
 * users and roles: the verbs that look at the identity core of a running daemon and change it.
 */
import assert from 'node:assert/strict';
import { startCore } from '../lib/core.mjs';
import { ropeline, test } from '../lib/daemon.mjs';

test('users and roles by hand', async (t) => {
    const core = await startCore(t);
    const app = await core.app({ bcrypt_log_rounds: 4 });
    await core.ok('PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 'other' }, { app });
    const verb = (...args) => ropeline([...args, '--app', app, '--state', core.daemon.state]);
    const good = async (...args) => {
        const { code, stdout, stderr } = await verb(...args);
        assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
        return stdout;
    };
    const json = async (...args) => JSON.parse(await good(...args, '--json'));
    const bad = async (code, why, ...args) => {
        const rs = await verb(...args);
        assert.equal(rs.code, code, rs.all);
        assert.match(rs.stderr, why);
        assert.equal(rs.stdout, '');
    };
    const signUp = async (email, tenant) =>
        (await core.ok('POST', '/recipe/signup', { email, password: 'pass word 1' }, { app, tenant })).user.id;
    const ada = await signUp('ada@verbs.example');
    const party = await core.ok('POST', '/recipe/signinup', {
        thirdPartyId: 'google',
        thirdPartyUserId: '\u001b[31mred\u202e',
        email: { id: 'bob@verbs.example', isVerified: true },
    }, { app });
    const bob = party.user.id;

    await t.test('roles are made, given, taken and removed', async () => {
        assert.equal(await good('roles', 'add', 'editor', 'write', 'read'), 'made\n');
        assert.equal(await good('roles', 'add', 'editor', 'publish'), 'it was there; permissions are added\n');
        await good('roles', 'add', 'viewer');
        assert.equal(await good('roles', 'grant', ada, 'editor'), 'granted\n');
        assert.equal(await good('roles', 'grant', ada, 'editor'), 'the user had it already\n');
        assert.equal(await good('roles', 'grant', ada, 'viewer', '--tenant', 'other'), 'granted\n');
        assert.equal(await good('roles', 'of', ada), 'editor\n');
        assert.deepEqual(await json('roles', 'of', ada, '--tenant', 'other'), { roles: ['viewer'] });
        assert.deepEqual(await json('roles', 'list'), {
            roles: [
                { role: 'editor', permissions: ['publish', 'read', 'write'], users: [ada] },
                { role: 'viewer', permissions: [], users: [] },
            ],
        });
        assert.match(await good('roles', 'list'), /^editor +1 {2}publish, read, write$/m);
        assert.match(await good('roles', 'list', '--tenant', 'other'), /^viewer +1 {2}$/m);
        assert.equal(await good('roles', 'show', 'editor'),
            `permissions  publish, read, write\nusers\n${ada}\n`);
        await good('roles', 'remove', 'editor', 'publish');
        assert.deepEqual((await json('roles', 'show', 'editor')).permissions, ['read', 'write']);
        assert.equal(await good('roles', 'revoke', bob, 'editor'), 'the user did not have it\n');
        assert.equal(await good('roles', 'revoke', ada, 'editor'), 'revoked\n');
        assert.equal(await good('roles', 'of', ada), '');
        await good('roles', 'grant', ada, 'editor');
        assert.equal(await good('roles', 'remove', 'editor'), 'removed\n');
        assert.equal(await good('roles', 'of', ada), '');
        await good('roles', 'grant', ada, 'viewer');
    });

    await t.test('roles that are not there, and wrong use', async () => {
        await bad(1, /there is no role none/, 'roles', 'show', 'none');
        await bad(1, /there is no role none/, 'roles', 'remove', 'none');
        await bad(1, /there is no role none/, 'roles', 'remove', 'none', 'read');
        await bad(1, /there is no role none/, 'roles', 'grant', ada, 'none');
        await bad(1, /there is no role none/, 'roles', 'revoke', ada, 'none');
        await bad(1, /400: Field name 'role' cannot be an empty String/, 'roles', 'add', ' ');
        await bad(1, /400: .*tenant/i, 'roles', 'of', ada, '--tenant', 'no-such');
        await bad(2, /--tenant has/, 'roles', 'of', ada, '--tenant', '../x');
        await bad(2, /usage/, 'roles');
        await bad(2, /usage/, 'roles', 'grant', ada);
        await bad(2, /usage/, 'roles', 'of', ada, 'more');
        const rs = await ropeline(['roles', 'list', '--state', '/nonexistent']);
        assert.equal(rs.code, 1);
        assert.match(rs.stderr, /no daemon answers/);
    });

    await t.test('users are listed in pages and searched', async () => {
        const all = await json('users', 'list');
        assert.deepEqual(all.users.map((u) => u.id).sort(), [ada, bob].sort());
        const text = await good('users', 'list');
        assert.match(text, new RegExp(`^${ada} +\\d{4}-\\S+Z +ada@verbs.example$`, 'm'));
        assert.match(text, new RegExp(`^${bob} .* google \\?\\[31mred\\?+ bob@verbs.example$`, 'm'));
        assert.deepEqual((await json('users', 'list', '--provider', 'goo')).users.map((u) => u.id), [bob]);
        assert.deepEqual((await json('users', 'list', '--email', 'ada')).users.map((u) => u.id), [ada]);
        assert.deepEqual((await json('users', 'list', '--phone', '+49')).users, []);
        const first = await json('users', 'list', '--limit', '1', '--newest');
        const rest = await json('users', 'list', '--limit', '1', '--newest', '--page', first.nextPaginationToken);
        assert.deepEqual([first, rest].flatMap((p) => p.users).map((u) => u.id),
            (await json('users', 'list', '--newest')).users.map((u) => u.id));
        assert.match((await verb('users', 'list', '--limit', '1')).stderr, /there are more: --page \S+/);
        assert.deepEqual((await json('users', 'list', '--tenant', 'other')).users, []);
        await bad(1, /max limit allowed is 500/, 'users', 'list', '--limit', '501');
    });

    await t.test('one user, with roles and sessions; removed with them', async () => {
        const session = await core.ok('POST', '/recipe/session',
            { userId: ada, enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} }, { app });
        const shown = await json('users', 'show', ada);
        assert.equal(shown.user.id, ada);
        assert.deepEqual(shown.roles, ['viewer']);
        assert.deepEqual(shown.sessions, [session.session.handle]);
        const text = await good('users', 'show', ada);
        assert.match(text, /^method +emailpassword ada@verbs.example, in public$/m);
        assert.match(text, /^roles +viewer$/m);
        assert.match(text, /^sessions +1$/m);
        assert.match(await good('users', 'show', bob), /^method +thirdparty google .*, verified, in public$/m);

        await bad(1, /no user has the id nobody/, 'users', 'show', 'nobody');
        await bad(1, /no user has the id nobody/, 'users', 'remove', 'nobody');
        assert.match(await good('users', 'remove', ada), /^removed/);
        await bad(1, /no user has the id/, 'users', 'show', ada);
        assert.deepEqual(await json('roles', 'of', ada), { roles: [] });
        assert.deepEqual((await json('users', 'list')).users.map((u) => u.id), [bob]);
        await bad(2, /usage/, 'users', 'remove');
        await bad(2, /usage/, 'users', 'list', 'more');
    });
});
