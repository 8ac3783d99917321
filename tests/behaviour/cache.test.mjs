/* SPDX-License-Identifier: Apache-2.0
 * What is remembered of an authorizer's answer, for whom, and for how long. Runs under
 * ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import { PATIENCE, eventually, start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    allowing,
    api,
    guardedBy,
    lambda,
    mock,
    order,
    policy,
    returning,
    statement,
    throwing,
    token,
} from '../lib/template.mjs';

const cached = (code, routes = { 'ANY /{proxy+}': mock() }, ttl = 300) =>
    api({ authorizer: token(code, { ttl }), routes });

test('a cached policy for one methodArn refuses the next path; a wildcard does not (trap 1)', async (t) => {
    const gw = await start(t, cached(OBEDIENT));
    const narrow = allowing('$arn');
    assert.equal((await gw.get('/orders', { token: narrow })).status, 200);
    const second = await gw.get('/users', { token: narrow });
    assert.equal(second.status, 403);
    assert.equal(second.body, '{"Message":"User is not authorized to access this resource"}');
    assert.equal((await gw.get('/orders', { token: narrow })).status, 200);
    assert.equal(gw.calls().length, 1);
    const wide = allowing('$api/dev/*');
    assert.equal((await gw.get('/orders', { token: wide })).status, 200);
    assert.equal((await gw.get('/users', { token: wide })).status, 200);
    assert.equal(gw.calls().length, 2);
});

test('a cached Deny stays until it is purged (trap 2)', async (t) => {
    const gw = await start(t, cached(`async () => deny()`));
    assert.equal((await gw.get('/a', { token: 'a' })).status, 403);
    assert.equal((await gw.get('/a', { token: 'a' })).status, 403);
    assert.equal(gw.calls().length, 1);
    const purge = await gw.ropeline('cache', 'purge');
    assert.equal(purge.code, 0, purge.all);
    assert.equal((await gw.get('/a', { token: 'a' })).status, 403);
    assert.equal(gw.calls().length, 2);
});

test('the policy, not the verdict, is cached: each request is judged anew', async (t) => {
    const gw = await start(t, cached(OBEDIENT));
    const mixed = policy(
        statement('Allow', '$api/dev/GET/*'),
        statement('Deny', '$api/dev/GET/admin'),
    );
    const statuses = [];
    for (const [method, path] of [
        ['GET', '/a'],
        ['GET', '/admin'],
        ['PUT', '/a'],
        ['GET', '/b'],
    ]) {
        statuses.push((await gw.request(method, path, { token: mixed })).status);
    }
    assert.deepEqual(statuses, [200, 403, 403, 200]);
    assert.equal(gw.calls().length, 1);
});

test('TTL 0 asks every time', async (t) => {
    const gw = await start(t, cached(OBEDIENT, undefined, 0));
    for (let i = 0; i < 3; i++) {
        assert.equal((await gw.get('/a', { token: allowing() })).status, 200);
    }
    assert.equal(gw.calls().length, 3);
});

test('an unset TTL is 300 seconds', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT, { ttl: undefined }),
            routes: { 'GET /a': mock() },
        }),
    );
    await gw.get('/a', { token: allowing() });
    await gw.get('/a', { token: allowing() });
    assert.equal(gw.calls().length, token(OBEDIENT, { ttl: undefined }).ttl === undefined ? 1 : 2);
});

test('the TTL counts from the first answer; hits do not lengthen it', async (t) => {
    const gw = await start(t, cached(OBEDIENT, undefined, 1));
    const given = allowing();
    await gw.get('/a', { token: given });
    const began = Date.now();
    await eventually(
        'the function is asked again',
        async () => {
            await gw.get('/a', { token: given });
            return gw.calls().length > 1;
        },
        4000,
    );
    const took = Date.now() - began;
    assert.ok(took > 800 && took < 2500 * PATIENCE, `${took} ms`);
});

test('tokens are told apart by every byte', async (t) => {
    const gw = await start(
        t,
        cached(`async (event) => event.authorizationToken === 'a' ? allow() : deny()`),
    );
    for (const [given, status] of [
        ['a', 200],
        ['A', 403],
        ['a ', 200],
        ['a,', 403],
        ['aa', 403],
        ['a', 200],
    ]) {
        assert.equal((await gw.get('/x', { token: given })).status, status, JSON.stringify(given));
    }
    assert.equal(gw.calls().length, 4, 'blanks around a header value are none of it');
});

test('authorizers do not share what they remember', async (t) => {
    const gw = await start(
        t,
        api({
            authorizers: {
                First: token(`async () => allow()`, { ttl: 300 }),
                Second: token(`async () => deny()`, { ttl: 300 }),
            },
            routes: { 'GET /one': mock(), 'GET /two': guardedBy('Second', mock()) },
        }),
    );
    assert.equal((await gw.get('/one', { token: 'a' })).status, 200);
    assert.equal((await gw.get('/two', { token: 'a' })).status, 403);
    assert.equal((await gw.get('/one', { token: 'a' })).status, 200);
    assert.deepEqual([gw.calls('First').length, gw.calls('Second').length], [1, 1]);
});

const mistakes = [
    ['another error', throwing('boom'), 500],
    ['Unauthorized', throwing('Unauthorized'), 401],
    ['a policy that cannot be read', returning({ principalId: 'a', policyDocument: {} }), 500],
    [
        'a context that may not be',
        returning({
            principalId: 'a',
            context: { a: [] },
            policyDocument: { Version: '2012-10-17', Statement: [statement('Allow', '*')] },
        }),
        500,
    ],
    ['no answer at all', returning(null), 500],
    ['a dead process', order({ exits: 1 }), 500],
];
for (const [name, given, status] of mistakes) {
    test(`${name} is not cached`, async (t) => {
        const gw = await start(t, cached(OBEDIENT));
        assert.equal((await gw.get('/a', { token: given })).status, status);
        assert.equal((await gw.get('/a', { token: given })).status, status);
        assert.equal(gw.calls().length, 2);
    });
}

test('the context comes from the cache too, with no latency', async (t) => {
    const gw = await start(
        t,
        cached(
            `async () => { await sleep(30); return allow('*', { context: { tenant: 'blue', level: 3 } }); }`,
            {
                'GET /x': lambda(
                    `async (event) => ({ body: JSON.stringify(event.requestContext.authorizer) })`,
                ),
            },
        ),
    );
    const first = (await gw.get('/x', { token: 'a' })).json;
    const second = (await gw.get('/x', { token: 'a' })).json;
    assert.ok(first.integrationLatency >= 25, `${first.integrationLatency}`);
    assert.deepEqual(second, {
        principalId: 'ana',
        tenant: 'blue',
        level: '3',
        integrationLatency: 0,
    });
    assert.equal(gw.calls().length, 1);
});

test('64 simultaneous first requests with one token make one call', async (t) => {
    const gw = await start(t, cached(`async () => { await sleep(150); return allow(); }`));
    const answers = await Promise.all(
        Array.from({ length: 64 }, () => gw.get('/a', { token: 'same' })),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.equal(gw.calls().length, 1);
});

test('of requests that share a call each is judged by its own path', async (t) => {
    const gw = await start(
        t,
        cached(`async (event) => { await sleep(150);
        return allow(event.methodArn.split('/')[0] + '/dev/GET/even/*'); }`),
    );
    const answers = await Promise.all(
        Array.from({ length: 16 }, (_, i) =>
            gw.get(i % 2 ? `/odd/${i}` : `/even/${i}`, { token: 'same' }),
        ),
    );
    assert.deepEqual(
        answers.map(({ status }) => status),
        answers.map((_, i) => (i % 2 ? 403 : 200)),
    );
    assert.equal(gw.calls().length, 1);
});

test('100 distinct tokens make 100 calls', async (t) => {
    const gw = await start(t, cached(`async () => allow()`));
    for (let i = 0; i < 100; i += 4) {
        const answers = await Promise.all(
            [0, 1, 2, 3].map((k) => gw.get('/a', { token: `t${i + k}` })),
        );
        assert.deepEqual(
            answers.map(({ status }) => status),
            [200, 200, 200, 200],
        );
    }
    assert.equal(gw.calls().length, 100);
    assert.equal(new Set(gw.calls().map((event) => event.authorizationToken)).size, 100);
});

test('a shared call that fails is not shared: each request asks for itself once', async (t) => {
    const gw = await start(t, cached(`async () => { await sleep(150); throw new Error('boom'); }`));
    const answers = await Promise.all(
        Array.from({ length: 4 }, () => gw.get('/a', { token: 'same' })),
    );
    assert.deepEqual(
        answers.map(({ status }) => status),
        [500, 500, 500, 500],
    );
    assert.equal(gw.calls().length, 4);
});

test('purging by principal and by authorizer drops those and no others', async (t) => {
    const who = `async (event) => ({ ...allow(), principalId: event.authorizationToken })`;
    const gw = await start(
        t,
        api({
            authorizers: { First: token(who, { ttl: 300 }), Second: token(who, { ttl: 300 }) },
            routes: { 'GET /one': mock(), 'GET /two': guardedBy('Second', mock()) },
        }),
    );
    const ask = async () => {
        for (const [path, given] of [
            ['/one', 'ana'],
            ['/one', 'ben'],
            ['/two', 'ana'],
        ]) {
            assert.equal((await gw.get(path, { token: given })).status, 200);
        }
        return [gw.calls('First').length, gw.calls('Second').length];
    };
    assert.deepEqual(await ask(), [2, 1]);
    assert.deepEqual(await ask(), [2, 1]);
    assert.equal((await gw.ropeline('cache', 'purge', '--principal', 'ben')).code, 0);
    assert.deepEqual(await ask(), [3, 1]);
    assert.equal((await gw.ropeline('cache', 'purge', '--authorizer', 'Second')).code, 0);
    assert.deepEqual(await ask(), [3, 2]);
    assert.equal(
        (await gw.ropeline('cache', 'purge', '--authorizer', 'First', '--principal', 'ana')).code,
        0,
    );
    assert.deepEqual(await ask(), [4, 2]);
});

test('requests without a token leave the cache alone', async (t) => {
    const gw = await start(t, cached(OBEDIENT));
    assert.equal((await gw.get('/a')).status, 401);
    assert.equal((await gw.get('/a', { token: allowing() })).status, 200);
    assert.equal((await gw.get('/a')).status, 401);
    assert.equal(gw.calls().length, 1);
});
