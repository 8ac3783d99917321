/* SPDX-License-Identifier: Apache-2.0
 * Roles and permissions of the identity core: made, given, taken and removed, each call with the
 * words of the core; and what users' metadata is merged to.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

test('roles and metadata', async (t) => {
    const core = await startCore(t);
    const app = await core.app();
    await core.ok('PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 'other' }, { app });
    const get = (path, query, tenant) => core.ok('GET', path, query, { app, tenant });
    const put = (path, input, tenant) => core.ok('PUT', path, input, { app, tenant });
    const post = (path, input, tenant) => core.ok('POST', path, input, { app, tenant });
    const refuses = async (method, path, input, why, status = 400, options = {}) => {
        const rs = await core.call(method, path, input, { app, ...options });
        assert.deepEqual([rs.status, rs.body.trimEnd()], [status, why], `${method} ${path}`);
    };
    const makeRole = (role, permissions) => put('/recipe/role', { role, permissions });
    const permissionsOf = async (role) => (await get('/recipe/role/permissions', { role })).permissions;
    const rolesOf = async (userId, tenant) => (await get('/recipe/user/roles', { userId }, tenant)).roles;
    const UNKNOWN = { status: 'UNKNOWN_ROLE_ERROR' };

    await t.test('a role is made once; permissions are added, never replaced', async () => {
        assert.deepEqual(await makeRole(' editor\n', ['write', ' read ']), {
            status: 'OK',
            createdNewRole: true,
        });
        assert.deepEqual(await makeRole('editor', ['publish', 'read']), {
            status: 'OK',
            createdNewRole: false,
        });
        assert.deepEqual(await permissionsOf('editor'), ['publish', 'read', 'write']);
        assert.deepEqual(await makeRole('viewer'), { status: 'OK', createdNewRole: true });
        assert.deepEqual(await permissionsOf('viewer'), []);
        assert.deepEqual(await get('/recipe/roles'), { status: 'OK', roles: ['editor', 'viewer'] });
        await makeRole('viewer', ['read']);
        assert.deepEqual(await get('/recipe/permission/roles', { permission: 'read' }), {
            status: 'OK',
            roles: ['editor', 'viewer'],
        });
        assert.deepEqual(await get('/recipe/permission/roles', { permission: 'none' }), {
            status: 'OK',
            roles: [],
        });
    });

    await t.test('permissions are taken by name, or all', async () => {
        await makeRole('clerk', ['a', 'b', 'c']);
        const take = (input) => post('/recipe/role/permissions/remove', input);
        assert.deepEqual(await take({ role: 'clerk', permissions: ['b', 'none'] }), { status: 'OK' });
        assert.deepEqual(await permissionsOf('clerk'), ['a', 'c']);
        assert.deepEqual(await take({ role: 'clerk' }), { status: 'OK' });
        assert.deepEqual(await permissionsOf('clerk'), []);
        assert.deepEqual(await take({ role: 'none' }), UNKNOWN);
        assert.deepEqual(await get('/recipe/role/permissions', { role: 'none' }), UNKNOWN);
    });

    await t.test('a role is given in a tenant, to anybody', async () => {
        const give = (userId, role, tenant) => put('/recipe/user/role', { userId, role }, tenant);
        assert.deepEqual(await give('ada', 'editor'), { status: 'OK', didUserAlreadyHaveRole: false });
        assert.deepEqual(await give('ada', ' editor'), { status: 'OK', didUserAlreadyHaveRole: true });
        assert.deepEqual(await give('ada', 'none'), UNKNOWN);
        await give('ada', 'viewer', 'other');
        await give('bob', 'editor');
        assert.deepEqual(await rolesOf('ada'), ['editor']);
        assert.deepEqual(await rolesOf('ada', 'other'), ['viewer']);
        assert.deepEqual(await rolesOf('nobody'), []);
        const users = (role, tenant) => get('/recipe/role/users', { role }, tenant);
        assert.deepEqual(await users('editor'), { status: 'OK', users: ['ada', 'bob'] });
        assert.deepEqual(await users('editor', 'other'), { status: 'OK', users: [] });
        assert.deepEqual(await users('none'), UNKNOWN);

        const take = (userId, role, tenant) =>
            post('/recipe/user/role/remove', { userId, role }, tenant);
        assert.deepEqual(await take('ada', 'editor', 'other'), { status: 'OK', didUserHaveRole: false });
        assert.deepEqual(await take('ada', 'editor'), { status: 'OK', didUserHaveRole: true });
        assert.deepEqual(await take('ada', 'editor'), { status: 'OK', didUserHaveRole: false });
        assert.deepEqual(await take('ada', 'none'), UNKNOWN);
        assert.deepEqual(await rolesOf('ada'), []);
    });

    await t.test('a role that is removed is nobody\'s, and a new one of its name gives nothing', async () => {
        await makeRole('admin', ['delete']);
        await put('/recipe/user/role', { userId: 'eve', role: 'admin' });
        await put('/recipe/user/role', { userId: 'eve', role: 'admin' }, 'other');
        const remove = () => post('/recipe/role/remove', { role: 'admin' });
        assert.deepEqual(await remove(), { status: 'OK', didRoleExist: true });
        assert.deepEqual(await remove(), { status: 'OK', didRoleExist: false });
        await makeRole('admin');
        assert.deepEqual(await rolesOf('eve'), []);
        assert.deepEqual(await rolesOf('eve', 'other'), []);
        assert.deepEqual(await permissionsOf('admin'), []);
    });

    await t.test('roles of one app are unknown in another', async () => {
        const elsewhere = { app: await core.app() };
        assert.deepEqual(await core.ok('GET', '/recipe/roles', undefined, elsewhere), {
            status: 'OK',
            roles: [],
        });
        assert.deepEqual(
            await core.ok('PUT', '/recipe/user/role', { userId: 'bob', role: 'editor' }, elsewhere),
            UNKNOWN,
        );
    });

    await t.test('what is refused, in the words of the core', async () => {
        const empty = "Field name 'role' cannot be an empty String";
        await refuses('PUT', '/recipe/role', { role: ' ' }, empty);
        await refuses('POST', '/recipe/role/remove', { role: '' }, empty);
        await refuses('PUT', '/recipe/user/role', { userId: 'a', role: '\t' }, empty);
        await refuses('GET', '/recipe/role/users', { role: ' ' }, empty);
        await refuses('PUT', '/recipe/role', { role: 'x', permissions: ['a', ' '] },
            "Field name 'permissions' cannot contain an empty string");
        const invalid = (name) => `Field name '${name}' is invalid in JSON input`;
        await refuses('PUT', '/recipe/role', {}, invalid('role'));
        await refuses('PUT', '/recipe/role', { role: 7 }, invalid('role'));
        await refuses('PUT', '/recipe/role', { role: 'x', permissions: 'a' }, invalid('permissions'));
        await refuses('PUT', '/recipe/role', { role: 'x', permissions: [7] }, invalid('permissions'));
        await refuses('PUT', '/recipe/user/role', { role: 'x' }, invalid('userId'));
        await refuses('GET', '/recipe/user/roles', undefined,
            "Field name 'userId' is missing in GET request");
        await refuses('GET', '/recipe/permission/roles', undefined,
            "Field name 'permission' is missing in GET request");
        await refuses('GET', '/recipe/roles', undefined,
            'Only public tenantId can call this app specific API', 403, { tenant: 'other' });
        await refuses('PUT', '/recipe/role', { role: 'r'.repeat(256) },
            "Field name 'role' cannot be longer than 255 bytes");
        await refuses('PUT', '/recipe/role', { role: 'a\0b' }, 'Invalid Json Input');
        assert.equal((await get('/recipe/roles')).roles.includes('x'), false);
    });

    await t.test('names are names, whatever is in them', async () => {
        const names = ["'; DROP TABLE app_role; --", '$1', '%', '\u{1f511} \u00e9', '"{}"', '__proto__'];
        for (const role of names) {
            await makeRole(role, [role]);
            await put('/recipe/user/role', { userId: role, role });
        }
        for (const role of names) {
            assert.deepEqual(await rolesOf(role), [role]);
            assert.deepEqual(await permissionsOf(role), [role]);
            assert.deepEqual((await get('/recipe/role/users', { role })).users, [role]);
        }
    });

    await t.test('many at once lose nothing', async () => {
        const all = Array.from({ length: 20 }, (_, i) => `p${String(i).padStart(2, '0')}`);
        const made = await Promise.all(all.map((p) => makeRole('busy', [p])));
        assert.equal(made.filter((m) => m.createdNewRole).length, 1);
        assert.deepEqual(await permissionsOf('busy'), all);
    });

    const metadataOf = async (userId) => (await get('/recipe/user/metadata', { userId })).metadata;
    const update = async (userId, metadataUpdate) => {
        const rs = await put('/recipe/user/metadata', { userId, metadataUpdate });
        assert.equal(rs.status, 'OK');
        return rs.metadata;
    };

    await t.test('metadata is merged at the first level; null takes a key away', async () => {
        assert.deepEqual(await metadataOf('meta'), {});
        assert.deepEqual(await update('meta', { a: { x: 1, y: null }, b: [1, null], c: 1.5 }), {
            a: { x: 1, y: null },
            b: [1, null],
            c: 1.5,
        });
        assert.deepEqual(await update('meta', { a: { z: 2 }, c: null, d: null }), {
            a: { z: 2 },
            b: [1, null],
        });
        assert.deepEqual(await metadataOf('meta'), { a: { z: 2 }, b: [1, null] });
        const hidden = JSON.parse('{"__proto__":{"admin":true},"constructor":1,"":"empty"}');
        assert.deepEqual(Object.keys(await update('odd', hidden)).sort(), ['', '__proto__', 'constructor']);
        assert.deepEqual(await post('/recipe/user/metadata/remove', { userId: 'meta' }), { status: 'OK' });
        assert.deepEqual(await metadataOf('meta'), {});
    });

    await t.test('numbers of metadata are those of JavaScript', async () => {
        const n = { large: Number.MAX_SAFE_INTEGER, huge: 1e300, tiny: 5e-324, half: -0.5, long: 2 ** 63 };
        assert.deepEqual(await update('num', n), n);
        assert.deepEqual(await metadataOf('num'), n);
    });

    await t.test('updates at once lose nothing', async () => {
        const all = Array.from({ length: 20 }, (_, i) => `k${i}`);
        await Promise.all(all.map((k) => update('busy', { [k]: k })));
        assert.deepEqual(Object.keys(await metadataOf('busy')).sort(), [...all].sort());
    });

    await t.test('metadata that is refused', async () => {
        await refuses('PUT', '/recipe/user/metadata', { userId: 'm', metadataUpdate: [] },
            "Field name 'metadataUpdate' is invalid in JSON input");
        await refuses('PUT', '/recipe/user/metadata', { metadataUpdate: {} },
            "Field name 'userId' is invalid in JSON input");
        const half = { userId: 'large', metadataUpdate: { a: 'x'.repeat(200_000) } };
        await put('/recipe/user/metadata', half);
        await refuses('PUT', '/recipe/user/metadata', { userId: 'large', metadataUpdate: { b: half.metadataUpdate.a } },
            'the metadata of a user cannot be larger than 262144 bytes');
        assert.deepEqual(Object.keys(await metadataOf('large')), ['a']);
    });
});
