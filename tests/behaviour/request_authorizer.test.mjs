/* SPDX-License-Identifier: Apache-2.0
 * REQUEST authorizers of REST APIs: what the function is told, when it is asked, and what the cache
 * takes for the same identity.
 */
import assert from 'node:assert/strict';
import { start, test } from '../lib/daemon.mjs';
import { api, lambda, mock, request } from '../lib/template.mjs';

const ALLOW_ALL = `async () => allow()`;
const ALLOW_THIS = `async (event) => allow(event.methodArn)`;
const SHOW = lambda(
    `async (event) => ({ statusCode: 200, body: JSON.stringify(event.requestContext.authorizer) })`,
);
const guarded = (code, options, more = {}) =>
    api({
        authorizer: request(code, options),
        routes: {
            'GET /orders/{id}': mock(200, 'order'),
            'GET /other': mock(200, 'other'),
            'GET /': mock(200, 'root'),
            'ANY /{proxy+}': mock(200, 'proxy'),
        },
        ...more,
    });

const AUTH = 'method.request.header.Authorization';
const assertUnauthorized = (answer, why) => {
    assert.equal(answer.status, 401, why);
    assert.equal(answer.body, '{"message":"Unauthorized"}');
    assert.equal(answer.headers['x-amzn-errortype'], 'UnauthorizedException');
};

/* ---- the event ---- */

test('the event has what AWS puts into it, and no body', async (t) => {
    const gw = await start(t, guarded(ALLOW_ALL, {}, { variables: { backend: 'v7' } }));
    const answer = await gw.get('/orders/42?expand=lines&expand=tax&q=a%20b+c', {
        headers: { 'X-Tenant': 'blue', Accept: '*/*', 'User-Agent': 'curl/8.5.0' },
    });
    assert.equal(answer.status, 200);
    const [event] = gw.calls();
    assert.equal(event.type, 'REQUEST');
    assert.match(
        event.methodArn,
        /^arn:aws:execute-api:us-east-1:123456789012:[a-z0-9]{10}\/dev\/GET\/orders\/42$/,
    );
    assert.equal(event.resource, '/orders/{id}');
    assert.equal(event.path, '/orders/42');
    assert.equal(event.httpMethod, 'GET');
    assert.equal(event.headers['X-Tenant'], 'blue');
    assert.deepEqual(event.multiValueHeaders['X-Tenant'], ['blue']);
    assert.deepEqual(event.queryStringParameters, { expand: 'tax', q: 'a b c' });
    assert.deepEqual(event.multiValueQueryStringParameters, {
        expand: ['lines', 'tax'],
        q: ['a b c'],
    });
    assert.deepEqual(event.pathParameters, { id: '42' });
    assert.deepEqual(event.stageVariables, { backend: 'v7' });
    const context = event.requestContext;
    assert.equal(context.resourcePath, '/orders/{id}');
    assert.equal(context.path, '/dev/orders/42');
    assert.equal(context.stage, 'dev');
    assert.equal(context.httpMethod, 'GET');
    assert.equal(context.accountId, '123456789012');
    assert.equal(context.protocol, 'HTTP/1.1');
    assert.equal(context.identity.sourceIp, '127.0.0.1');
    assert.equal(context.identity.userAgent, 'curl/8.5.0');
    assert.equal(context.identity.user, null);
    assert.match(context.requestId, /^[0-9a-f-]{36}$/);
    assert.equal(typeof context.requestTimeEpoch, 'number');
    assert.ok(!('body' in event) && !('isBase64Encoded' in event));
    assert.ok(!('authorizer' in context));
    assert.deepEqual(
        Object.keys(event).sort(),
        [
            'type',
            'methodArn',
            'resource',
            'path',
            'httpMethod',
            'headers',
            'multiValueHeaders',
            'queryStringParameters',
            'multiValueQueryStringParameters',
            'pathParameters',
            'stageVariables',
            'requestContext',
        ].sort(),
    );
});

test('empty maps are {} in an authorizer event, and a posted body is not shown', async (t) => {
    const gw = await start(t, guarded(ALLOW_ALL));
    const answer = await gw.request('POST', '/anything', { body: '{"secret":1}' });
    assert.equal(answer.status, 200);
    const [event] = gw.calls();
    assert.deepEqual(event.queryStringParameters, {});
    assert.deepEqual(event.multiValueQueryStringParameters, {});
    assert.deepEqual(event.stageVariables, {});
    assert.deepEqual(event.pathParameters, { proxy: 'anything' });
    assert.ok(!JSON.stringify(event).includes('secret'));
});

test('a client cannot pass as the gateway: its own x-amzn- and forwarding headers are not shown', async (t) => {
    const gw = await start(t, guarded(ALLOW_ALL));
    await gw.get('/other', {
        headers: { 'X-Amzn-Oidc-Identity': 'root', 'X-Forwarded-Proto': 'ftp', 'X-Ropeline-A': 'b' },
    });
    const { headers } = gw.calls()[0];
    assert.ok(!('X-Amzn-Oidc-Identity' in headers) && !('X-Ropeline-A' in headers));
    assert.equal(headers['X-Forwarded-Proto'], 'http');
});

/* ---- when the function is asked ---- */

test('TTL 0 without sources: asked for each request (trap 17)', async (t) => {
    const gw = await start(t, guarded(ALLOW_ALL));
    for (let i = 1; i <= 3; i++) {
        assert.equal((await gw.get('/other')).status, 200);
        assert.equal(gw.calls().length, i);
    }
});

test('TTL 0 with sources that are missing: asked anyway', async (t) => {
    const gw = await start(t, guarded(ALLOW_ALL, { sources: AUTH }));
    assert.equal((await gw.get('/other')).status, 200);
    assert.equal(gw.calls().length, 1);
});

test('with caching, any source that is missing or empty is 401 and nobody is asked (trap 17)', async (t) => {
    const gw = await start(
        t,
        guarded(ALLOW_ALL, {
            ttl: 300,
            sources: `${AUTH}, method.request.querystring.tenant,context.identity.sourceIp`,
        }),
    );
    assertUnauthorized(await gw.get('/other'));
    assertUnauthorized(await gw.get('/other', { token: 'a' }));
    assertUnauthorized(await gw.get('/other?tenant=', { token: 'a' }));
    assertUnauthorized(await gw.get('/other?tenant=blue'));
    assertUnauthorized(await gw.get('/other?Tenant=blue', { token: 'a' }), 'names have a case');
    assert.equal(gw.calls().length, 0);
    assert.equal((await gw.get('/other?tenant=blue', { token: 'a' })).status, 200);
    assert.equal(gw.calls().length, 1);
});

test('a source that is there twice could be read in two ways: 401', async (t) => {
    const gw = await start(
        t,
        guarded(ALLOW_ALL, { ttl: 300, sources: `${AUTH}, method.request.querystring.t` }),
    );
    assertUnauthorized(await gw.get('/other?t=a&t=b', { token: 'x' }));
    assertUnauthorized(await gw.get('/other?t=a&%74=b', { token: 'x' }));
    assertUnauthorized(
        await gw.get('/other?t=a', { headers: { Authorization: ['x', 'y'] } }),
    );
    assert.equal(gw.calls().length, 0);
});

test('a missing stage variable as a source is 401; one that is there is part of the key', async (t) => {
    const sources = `${AUTH}, stageVariables.backend`;
    const without = await start(t, guarded(ALLOW_ALL, { ttl: 300, sources }));
    assertUnauthorized(await without.get('/other', { token: 'a' }));
    const gw = await start(
        t,
        guarded(ALLOW_ALL, { ttl: 300, sources }, { variables: { backend: 'v7' } }),
    );
    assert.equal((await gw.get('/other', { token: 'a' })).status, 200);
});

/* ---- the cache ---- */

test('the key is all sources in order, and no two tuples share one (trap 19)', async (t) => {
    const gw = await start(
        t,
        guarded(ALLOW_ALL, {
            ttl: 300,
            sources: `${AUTH},method.request.header.X-B,context.httpMethod`,
        }),
    );
    const ask = (a, b, method = 'GET') =>
        gw.request(method, '/other', { headers: { Authorization: a, 'X-B': b } });
    const distinct = [
        ['a', 'b,c'],
        ['a,b', 'c'],
        ['b,c', 'a'],
        ['1:a', 'b'],
        ['a', 'b,c', 'POST'],
        ['A', 'b,c'],
    ];
    for (const [i, tuple] of distinct.entries()) {
        assert.equal((await ask(...tuple)).status, 200);
        assert.equal(gw.calls().length, i + 1, `${tuple}`);
    }
    for (const tuple of distinct) {
        assert.equal((await ask(...tuple)).status, 200);
    }
    assert.equal(gw.calls().length, distinct.length);
});

test('+ and %20 are one value in key and event; header blanks around the value do not count', async (t) => {
    const gw = await start(
        t,
        guarded(ALLOW_ALL, { ttl: 300, sources: `${AUTH}, method.request.querystring.t` }),
    );
    await gw.get('/other?t=a+b', { token: 'x' });
    await gw.get('/other?%74=a%20b', { headers: { authorization: '  x  ' } });
    assert.equal(gw.calls().length, 1);
    assert.equal(gw.calls()[0].queryStringParameters.t, 'a b');
});

test('the path as a source keeps a narrow policy to its own path (trap 1 avoided)', async (t) => {
    const gw = await start(
        t,
        guarded(ALLOW_THIS, { ttl: 300, sources: `${AUTH}, context.path` }),
    );
    assert.equal((await gw.get('/other', { token: 'a' })).status, 200);
    assert.equal((await gw.get('/orders/1', { token: 'a' })).status, 200);
    assert.equal((await gw.get('/orders/1', { token: 'a' })).status, 200);
    assert.equal(gw.calls().length, 2);
});

test('a cached policy is judged anew for each path (trap 1)', async (t) => {
    const gw = await start(t, guarded(ALLOW_THIS, { ttl: 300, sources: AUTH }));
    assert.equal((await gw.get('/other', { token: 'a' })).status, 200);
    const denied = await gw.get('/orders/1', { token: 'a' });
    assert.equal(denied.status, 403);
    assert.equal(denied.body, '{"Message":"User is not authorized to access this resource"}');
    assert.equal(gw.calls().length, 1);
});

/* ---- answers ---- */

test('outcomes are those of TOKEN authorizers (specs 1.8)', async (t) => {
    const code = `async (event) => {
        const order = event.headers['X-Order'];
        if (order === 'unauthorized') throw new Error('Unauthorized');
        if (order === 'boom') throw new Error('boom');
        if (order === 'simple') return { isAuthorized: true };
        if (order === 'deny') return deny();
        if (order === 'none') return { principalId: 'a', policyDocument: policy() };
        return allow('*', { context: { tenant: 'blue', level: 3 } });
    }`;
    const gw = await start(
        t,
        api({ authorizer: request(code), routes: { 'GET /x': SHOW } }),
    );
    const ask = (order) => gw.get('/x', { headers: { 'X-Order': order } });
    assertUnauthorized(await ask('unauthorized'));
    for (const order of ['boom', 'simple']) {
        const answer = await ask(order);
        assert.equal(answer.status, 500, order);
        assert.equal(answer.body, '{"message":null}');
    }
    assert.match((await ask('deny')).body, /with an explicit deny"}$/);
    assert.equal((await ask('none')).status, 403);
    const authorizer = JSON.parse((await ask('fine')).body);
    assert.equal(authorizer.principalId, 'ana');
    assert.equal(authorizer.tenant, 'blue');
    assert.equal(authorizer.level, '3');
});

test('explain names the source that was missing', async (t) => {
    const gw = await start(t, guarded(ALLOW_ALL, { ttl: 300, sources: AUTH }));
    await gw.get('/other');
    const { stdout } = await gw.ropeline('explain');
    assert.match(stdout, /method\.request\.header\.Authorization is missing or empty/);
});
