/* SPDX-License-Identifier: Apache-2.0
 * One canonical path: whatever a client does to the path, the route, the authorizer, its policy and
 * the backend all get the same bytes, or nothing happens at all. /admin is guarded, all else open.
 */
import assert from 'node:assert/strict';
import { backend } from '../lib/backend.mjs';
import { start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    allowing,
    api,
    http,
    lambda,
    open,
    policy,
    statement,
    token,
} from '../lib/template.mjs';

async function guardedAdmin(t) {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT, { ttl: 300 }),
            routes: {
                'ANY /admin': http(`${behind.url}/admin`),
                'ANY /{proxy+}': open(http(`${behind.url}/{proxy}`)),
            },
        }),
    );
    const ask = async (target, head = '') => {
        behind.take();
        const { response } = await gw.raw(
            `GET ${target} HTTP/1.1\r\nHost: a\r\n${head}Connection: close\r\n\r\n`,
        );
        return { status: response.status, backend: behind.take().map((rq) => rq.target) };
    };
    return { gw, ask };
}

/* What RFC 3986 lets a backend make of a path. */
function normalised(target) {
    const decoded = target.replace(/%([0-9a-f]{2})/gi, (escape, hex) => {
        const char = String.fromCharCode(parseInt(hex, 16));
        return /[\w.~-]/.test(char) ? char : escape.toUpperCase();
    });
    return new URL(decoded, 'http://a').pathname.replace(/\/+$/, '');
}

const refused = [
    '/dev//admin',
    '//dev/admin',
    '/dev/./admin',
    '/dev/x/../admin',
    '/dev/../dev/admin',
    '/dev/admin/.',
    '/dev/admin/..',
    '/dev/admin//',
    '/dev/admin%2f',
    '/dev/admin%2F',
    '/dev/%2fadmin',
    '/dev/..%2fadmin',
    '/dev/%2e%2e/admin',
    '/dev/%2e/admin',
    '/dev/.%2E/admin',
    '/dev/admin%00',
    '/dev/admin%00.html',
    '/dev/%5cadmin',
    '/dev/x%5C..%5Cadmin',
    '/dev\\admin',
    '\\dev\\admin',
    '/dev/admin\t',
    '/dev/%u0061dmin',
    '/dev/admin%',
    '/dev/admin%6',
    '/dev/%zzadmin',
    '/dev/admin#x',
    '/dev/x/..;/admin',
    '/dev/..;a=b/admin',
    '/dev/\u00e4dmin',
    '/dev/adm\x01in',
    'dev/admin',
    '*',
];
const guarded = [
    '/dev/admin',
    '/dev/admin/',
    '/dev/%61dmin',
    '/dev/adm%69n',
    '/dev/%61%64%6d%69%6e',
    '/dev/admin?',
    '/dev/admin?x=/../open',
    '/dev/admin/?',
    '/%64ev/admin',
    '/dev/admi%6E/',
];
const elsewhere = [
    ['/dev/admin;a=b', '/admin;a=b'],
    ['/dev/;/admin', '/;/admin'],
    ['/dev/admin%23', '/admin%23'],
    ['/dev/admin%3f', '/admin%3F'],
    ['/dev/ADMIN', '/ADMIN'],
    ['/dev/admin%20', '/admin%20'],
    ['/dev/%c0%afadmin', '/%C0%AFadmin'],
    ['/dev/admin%252f', '/admin%252f'],
    ['/dev/%2561dmin', '/%2561dmin'],
    ['/dev/%ef%bd%81dmin', '/%EF%BD%81dmin'],
    ['/dev/admine%cc%81', '/admine%CC%81'],
    ['/dev/admin.json', '/admin.json'],
    ['/dev/admin/x', '/admin/x'],
    ['/dev/admin/%78/', '/admin/x/'],
    ['/dev/a%09b', '/a%09b'],
    ['/dev/x?y=/admin', '/x?y=/admin'],
];

test('a path that two programs could read in two ways is 400 and reaches nobody (attack b14)', async (t) => {
    const { gw, ask } = await guardedAdmin(t);
    for (const target of refused) {
        await t.test(JSON.stringify(target), async () => {
            const { status, backend: seen } = await ask(target);
            assert.equal(status, 400);
            assert.deepEqual(seen, []);
        });
    }
    assert.equal(gw.calls().length, 0);
});

test('a path that is the guarded one in other letters is guarded (attack b14)', async (t) => {
    const { ask } = await guardedAdmin(t);
    for (const target of guarded) {
        await t.test(target, async () => {
            assert.deepEqual(await ask(target), { status: 401, backend: [] });
            const allowed = await ask(
                target,
                `Authorization: ${allowing('$api/dev/GET/admin*')}\r\n`,
            );
            assert.equal(allowed.status, 200);
            assert.deepEqual(
                allowed.backend.map((path) => path.split('?')[0]),
                ['/admin'],
            );
        });
    }
});

test('a path that is another one is another one for the backend too (attack b14)', async (t) => {
    const { gw, ask } = await guardedAdmin(t);
    for (const [target, forwarded] of elsewhere) {
        await t.test(target, async () => {
            const { status, backend: seen } = await ask(target);
            assert.equal(status, 200);
            assert.deepEqual(seen, [forwarded]);
            assert.notEqual(normalised(forwarded), '/admin');
        });
    }
    assert.equal(gw.calls().length, 0);
});

test('the policy is judged by the canonical path, cached or not (attack b14)', async (t) => {
    const { gw, ask } = await guardedAdmin(t);
    const but = policy(statement('Allow', '*'), statement('Deny', '$api/dev/GET/admin'));
    const everythingBut = `Authorization: ${but}\r\n`;
    for (const target of ['/dev/admin', '/dev/%61dmin', '/dev/%61dmin?x=1', '/dev/adm%69n']) {
        assert.deepEqual(await ask(target, everythingBut), { status: 403, backend: [] });
    }
    assert.equal(gw.calls().length, 1);
    assert.match(gw.calls()[0].methodArn, /\/dev\/GET\/admin$/);
});

test('escapes stay, upper-cased, in methodArn, path parameters and the backend path', async (t) => {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: {
                'GET /p/{id}': http(`${behind.url}/items/{id}`),
                'GET /e/{id}': lambda(`async (event) => ({ body: JSON.stringify(event) })`),
            },
        }),
    );
    await gw.get('/p/a%20b%c3%a9%7e', { token: allowing() });
    assert.equal(behind.last.target, '/items/a%20b%C3%A9~');
    assert.match(gw.calls()[0].methodArn, /\/GET\/p\/a%20b%C3%A9~$/);
    const event = (await gw.get('/e/a%20b%c3%a9%7e', { token: allowing() })).json;
    assert.equal(event.pathParameters.id, 'a%20b%C3%A9~');
    assert.equal(event.path, '/e/a%20b%C3%A9~');
});

test('the value of {proxy+} keeps its trailing slash', async (t) => {
    const { ask } = await guardedAdmin(t);
    assert.deepEqual((await ask('/dev/a/b/')).backend, ['/a/b/']);
});

test('a path variable cannot change the authority of the backend', async (t) => {
    const behind = await backend(t);
    const gw = await start(t, api({ routes: { 'GET /{proxy+}': http(`${behind.url}/{proxy}`) } }));
    for (const path of ['/@evil.example/x', '/:80@evil/x', '/a@b:c']) {
        assert.equal((await gw.get(path)).status, 200, path);
        assert.equal(behind.last.target, path);
        assert.equal(behind.last.header('host'), `127.0.0.1:${behind.port}`);
    }
});

test('a double slash is admitted only where the API says so', async (t) => {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            extra: { 'x-ropeline-paths': 'aws' },
            authorizer: token(OBEDIENT),
            routes: {
                'GET /admin': http(`${behind.url}/admin`),
                'GET /open/{proxy+}': open(http(`${behind.url}/open/{proxy}`)),
            },
        }),
    );
    const double = await gw.raw('GET /dev/open/a//b HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.equal(double.response.status, 200);
    assert.equal(behind.last.target, '/open/a//b');
    behind.take();
    for (const target of ['/dev//admin', '/dev/admin//', '//dev/admin']) {
        const { response } = await gw.raw(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
        assert.ok([400, 401, 403].includes(response.status), `${target} ${response.status}`);
    }
    assert.deepEqual(behind.take(), []);
});

/* ---- two spellings of one path ---- */

test('a trailing slash cannot lead around a Deny', async (t) => {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            extra: {
                'x-ropeline-paths': 'aws',
                'x-amazon-apigateway-policy': {
                    Version: '2012-10-17',
                    Statement: [
                        { ...statement('Allow', 'execute-api:/*'), Principal: '*' },
                        { ...statement('Deny', 'execute-api:/dev/GET/shut'), Principal: '*' },
                    ],
                },
            },
            authorizer: token(OBEDIENT, { ttl: 300 }),
            routes: {
                'GET /admin': http(`${behind.url}/admin`),
                'GET /shut': open(http(`${behind.url}/shut`)),
                'GET /p/{proxy+}': http(`${behind.url}/{proxy}`),
            },
        }),
    );
    const but = policy(
        statement('Allow', '*'),
        statement('Deny', ['$api/dev/GET/admin', '$api/dev/GET/p/secret']),
    );
    for (const path of ['/admin', '/admin/', '/p/secret/', '/p/secre%74/', '/p/secret//', '/shut/']) {
        assert.equal((await gw.get(path, { token: but })).status, 403, path);
    }
    assert.equal(behind.take().length, 0);
    for (const path of ['/p/other/', '/p/other//']) {
        assert.equal((await gw.get(path, { token: but })).status, 200, path);
    }
    assert.deepEqual(behind.take().map((rq) => rq.target), ['/other/', '/other//']);
});

test('an escape cannot lead around a guarded literal or a Deny', async (t) => {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT, { ttl: 300 }),
            routes: {
                'GET /orders:purge': http(`${behind.url}/orders:purge`),
                'GET /users/{id}': http(`${behind.url}/users/{id}`),
                'GET /{proxy+}': open(http(`${behind.url}/{proxy}`)),
            },
        }),
    );
    const but = policy(statement('Allow', '*'), statement('Deny', '$api/dev/GET/users/ana@x.com'));
    assert.equal((await gw.get('/orders:purge')).status, 401);
    assert.equal((await gw.get('/orders%3Apurge')).status, 400);
    assert.equal((await gw.get('/orders%3apurge')).status, 400);
    assert.equal((await gw.get('/users/ana@x.com', { token: but })).status, 403);
    assert.equal((await gw.get('/users/ana%40x.com', { token: but })).status, 403);
    assert.equal(behind.take().length, 0);
    assert.equal((await gw.get('/users/bob%40x.com', { token: but })).status, 200);
    assert.equal((await gw.get('/free%3Afor-all')).status, 200);
    assert.deepEqual(behind.take().map((rq) => rq.target), ['/users/bob%40x.com', '/free%3Afor-all']);
});
