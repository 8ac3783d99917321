/* SPDX-License-Identifier: Apache-2.0
 * From host, stage, verb and path to one method, as REST APIs route.
 */
import assert from 'node:assert/strict';
import { refusal, start, test } from '../lib/daemon.mjs';
import { OBEDIENT, allowing, api, mock, open, openapi, throwing, token } from '../lib/template.mjs';

/** Routes that answer with their own name. */
const named = (...routes) => Object.fromEntries(routes.map((route) => [route, mock(200, route)]));
const NOT_FOUND = '{"message":"Missing Authentication Token"}';

async function assertRoutes(t, routes, rows) {
    const gw = await start(t, api({ routes: named(...routes) }));
    for (const [method, path, expected] of rows) {
        const answer = await gw.request(method, path);
        assert.equal(
            answer.status === 200 ? answer.body : answer.status,
            expected,
            `${method} ${path}`,
        );
    }
}

test('literal segments win over {param}, and {param} over {proxy+}', (t) =>
    assertRoutes(
        t,
        ['GET /a/fixed', 'GET /a/{id}', 'GET /b/{proxy+}', 'GET /b/one', 'GET /a/{id}/more'],
        [
            ['GET', '/a/fixed', 'GET /a/fixed'],
            ['GET', '/a/other', 'GET /a/{id}'],
            ['GET', '/a/fixed/more', 'GET /a/{id}/more'],
            ['GET', '/b/one', 'GET /b/one'],
            ['GET', '/b/two', 'GET /b/{proxy+}'],
            ['GET', '/b/one/two', 'GET /b/{proxy+}'],
        ],
    ));

test('{proxy+} takes one segment or more, never its own parent', (t) =>
    assertRoutes(
        t,
        ['GET /files/{proxy+}'],
        [
            ['GET', '/files/a', 'GET /files/{proxy+}'],
            ['GET', '/files/a/b/c', 'GET /files/{proxy+}'],
            ['GET', '/files', 403],
            ['GET', '/file', 403],
        ],
    ));

test('an explicit verb wins over ANY; there is no HEAD or OPTIONS by itself', (t) =>
    assertRoutes(
        t,
        ['ANY /a', 'GET /a', 'GET /b'],
        [
            ['GET', '/a', 'GET /a'],
            ['PUT', '/a', 'ANY /a'],
            ['DELETE', '/a', 'ANY /a'],
            ['OPTIONS', '/a', 'ANY /a'],
            ['GET', '/b', 'GET /b'],
            ['OPTIONS', '/b', 403],
            ['POST', '/b', 403],
        ],
    ));

test('a verb that the best resource lacks is served by the greedy route above it', (t) =>
    assertRoutes(
        t,
        ['POST /admin', 'GET /{proxy+}', 'PUT /a/b/c', 'PUT /a/{proxy+}', 'DELETE /{proxy+}'],
        [
            ['POST', '/admin', 'POST /admin'],
            ['GET', '/admin', 'GET /{proxy+}'],
            ['DELETE', '/a/b/c', 'DELETE /{proxy+}'],
            ['PUT', '/a/b/c', 'PUT /a/b/c'],
            ['PUT', '/a/b/d', 'PUT /a/{proxy+}'],
            ['PATCH', '/a/b/c', 403],
        ],
    ));

test('methods and paths are compared with their case', async (t) => {
    const gw = await start(t, api({ routes: named('GET /a') }));
    assert.equal((await gw.get('/A')).status, 403);
    const { response } = await gw.raw('get /dev/a HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.notEqual(response.status, 200);
});

test('method override headers change nothing', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: { 'GET /a': mock(200, 'get'), 'DELETE /a': mock(200, 'gone') },
        }),
    );
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
        const answer = await gw.get('/a?_method=DELETE', {
            token: allowing('$arn'),
            headers: { [name]: 'DELETE' },
        });
        assert.equal(answer.body, 'get');
    }
    assert.ok(gw.calls().every(({ methodArn }) => methodArn.endsWith('/GET/a')));
});

test('an unknown path or verb is 403 Missing Authentication Token (trap 34)', async (t) => {
    const gw = await start(t, api({ authorizer: token(OBEDIENT), routes: { 'GET /a': mock() } }));
    for (const [method, path] of [
        ['GET', '/b'],
        ['POST', '/a'],
        ['GET', '/a/b'],
        ['GET', '/'],
    ]) {
        const answer = await gw.request(method, path);
        assert.equal(answer.status, 403);
        assert.equal(answer.body, NOT_FOUND);
        assert.equal(answer.headers['x-amzn-errortype'], 'MissingAuthenticationTokenException');
    }
    assert.equal(gw.calls().length, 0);
});

test('an unknown path with a bearer token is a broken signature (trap 35)', async (t) => {
    const gw = await start(t, api({ authorizer: token(OBEDIENT), routes: { 'GET /a': mock() } }));
    const answer = await gw.get('/b', { token: 'Bearer abc' });
    assert.equal(answer.status, 403);
    assert.equal(
        answer.json.message,
        "'abc' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer abc'.",
    );
    assert.equal(answer.headers['x-amzn-errortype'], 'IncompleteSignatureException');
    assert.equal(gw.calls().length, 0);
});

test('a trailing slash leads to the same method under the same authorizer (trap 36)', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: { 'GET /a': mock(200, 'a'), 'GET /users/{id}': mock(200, 'user') },
        }),
    );
    for (const path of ['/a/', '/users/7/']) {
        assert.equal((await gw.get(path)).status, 401, path);
        assert.equal((await gw.get(path, { token: throwing('Unauthorized') })).status, 401, path);
        assert.equal((await gw.get(path, { token: allowing('$api/dev/*') })).status, 200, path);
    }
    assert.equal((await gw.get('/a/', { token: allowing('$api/dev/GET/a') })).status, 403);
    assert.equal((await gw.get('/a/', { token: allowing('$api/dev/GET/a/') })).status, 200);
    assert.ok(
        gw
            .calls()
            .filter(({ methodArn }) => methodArn.includes('/GET/a'))
            .every(({ methodArn }) => methodArn.endsWith('/GET/a/')),
    );
});

test('the first segment is the stage; another one is 403 Forbidden', async (t) => {
    const gw = await start(t, api({ stage: 'prod', routes: { 'GET /a': mock(200, 'in') } }));
    assert.equal((await gw.get('/a')).body, 'in');
    gw.stagePath = '';
    for (const path of ['/a', '/dev/a', '/', '/Prod/a', '/prod2/a']) {
        const answer = await gw.get(path);
        assert.equal(answer.status, 403, path);
        assert.equal(answer.body, '{"message":"Forbidden"}', path);
        assert.equal(answer.headers['x-amzn-errortype'], 'ForbiddenException');
    }
});

test('an API is also found by its id, in the path and in the Host', async (t) => {
    const gw = await start(
        t,
        api({
            tags: { _custom_id_: 'myapi12345' },
            authorizer: token(OBEDIENT),
            routes: { 'GET /a/{id}': mock(200, 'in') },
        }),
    );
    gw.stagePath = '';
    const given = { token: allowing('$api/dev/GET/a/1') };
    assert.equal((await gw.get('/restapis/myapi12345/dev/_user_request_/a/1', given)).body, 'in');
    const byHost = { ...given, headers: { Host: 'myapi12345.execute-api.localhost:8080' } };
    assert.equal((await gw.get('/dev/a/1', byHost)).body, 'in');
    assert.equal((await gw.get('/dev/a/1', given)).body, 'in');
    assert.equal(new Set(gw.calls().map(({ methodArn }) => methodArn)).size, 1);
    assert.equal((await gw.get('/restapis/otherapi12/dev/_user_request_/a/1', given)).status, 403);
    assert.equal((await gw.get('/restapis/myapi12345/prod/_user_request_/a/1', given)).status, 403);
    assert.equal(
        (await gw.get('/dev/a/1', { headers: { Host: 'otherapi12.execute-api.localhost' } }))
            .status,
        403,
    );
});

test('a bare OpenAPI document is a REST API with the stage dev', async (t) => {
    const gw = await start(
        t,
        openapi({
            authorizer: token(OBEDIENT),
            routes: { 'GET /a': mock(200, 'in'), 'GET /open': open(mock(200, 'open')) },
        }),
    );
    assert.equal((await gw.get('/open')).body, 'open');
    assert.equal((await gw.get('/a')).status, 401);
    assert.equal((await gw.get('/a', { token: allowing() })).body, 'in');
});

test('an API without paths loads', async (t) => {
    const gw = await start(t, openapi({ routes: {} }));
    assert.equal((await gw.get('/a')).status, 403);
});

test('two variables at one place are refused by name', async (t) => {
    const { code, transcript } = await refusal(
        t,
        api({ routes: named('GET /a/{id}', 'GET /a/{name}') }),
    );
    assert.equal(code, 1);
    assert.match(transcript, /sibling \(\{(id|name)\}\).*only one is allowed/);
});
