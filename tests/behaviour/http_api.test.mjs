/* SPDX-License-Identifier: Apache-2.0
 * HTTP APIs: routes, the gateway's own answers, and events and answers of functions in both payload
 * formats. One daemon for all but what needs another configuration.
 */
import assert from 'node:assert/strict';
import { start, test } from '../lib/daemon.mjs';
import { behind, calls, guard, httpApi, httpApis, open } from '../lib/http_api.mjs';

const ECHO = `async (event) => event`;
const SAYS = `async (event) => JSON.parse(
    event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body)`;
const NAMES = (name) => `async () => ({ statusCode: 200, body: '${name}' })`;
const BY_TOKEN = `async (event) => ({ isAuthorized: event.headers.authorization === 'good' })`;

const NOT_FOUND = '{"message":"Not Found"}';
const FAILED = '{"message":"Internal Server Error"}';
const HTTP_API_ID = /^[A-Za-z0-9_-]{15}=$/;

function assertOwn(answer, status, body) {
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.body, body);
    assert.match(answer.headers['apigw-requestid'], HTTP_API_ID);
    assert.equal(answer.headers['x-amzn-errortype'], undefined);
    assert.equal(answer.headers['x-amzn-requestid'], undefined);
    assert.equal(answer.headers['content-type'], 'application/json');
}

/* ---- one API for most of the file ---- */

const API = {
    id: 'httpapi001',
    variables: { backend: 'v7' },
    authorizers: { Guard: guard(BY_TOKEN, { simple: true }) },
    routes: {
        'GET /echo/{id}': open(calls(ECHO)),
        'POST /echo': open(calls(ECHO)),
        'ANY /one/{id}': open(calls(ECHO, { version: '1.0' })),
        'POST /says': open(calls(SAYS)),
        'POST /says1': open(calls(SAYS, { version: '1.0' })),
        'GET /v1/accounts': behind('Guard', calls(NAMES('accounts'))),
        'POST /v1/accounts': open(calls(NAMES('new account'))),
        'GET /admin': behind('Guard', calls(NAMES('admin'))),
        'ANY /v1/{proxy+}': open(calls(NAMES('proxy'))),
        'GET /throw': open(calls(`async () => { throw new Error('secret detail'); }`)),
        'GET /slow': open(calls(`async () => sleep(60000)`, { integrationTimeout: 200 })),
        $default: open(calls(NAMES('default'))),
    },
};

test('an HTTP API', async (t) => {
    const gw = await start(t, httpApi(API));

    await t.test('routes: a full match, then {proxy+}, then $default (trap 34)', async () => {
        assert.equal((await gw.get('/v1/accounts', { token: 'good' })).body, 'accounts');
        assert.equal((await gw.request('POST', '/v1/accounts')).body, 'new account');
        assert.equal((await gw.request('PUT', '/v1/accounts')).body, 'proxy');
        assert.equal((await gw.get('/v1/x/y')).body, 'proxy');
        assert.equal((await gw.get('/')).body, 'default');
        assert.equal((await gw.request('DELETE', '/no/route')).body, 'default');
    });

    await t.test('no spelling of a guarded path reaches an open route', async () => {
        const spellings = [
            '/v1/accounts/',
            '/v1//accounts',
            '/v1/./accounts',
            '/v1/x/../accounts',
            '/v1/accounts//',
            '/v1/accounts/.',
            '/v1/accounts%2f',
            '/v1%2faccounts',
            '/v1/accounts%00',
            '/v1/%2e/accounts',
            '/v1/accounts%5c',
            '/admin/',
            '//admin',
            '/admin%2F',
            '/%2e%2e/admin',
        ];
        for (const spelling of spellings) {
            const { response } = await gw.raw(`GET ${spelling} HTTP/1.1\r\nHost: a\r\n\r\n`);
            assert.ok([400, 404].includes(response.status), `${spelling}: ${response.status}`);
        }
        for (const spelling of ['/v1/%61ccounts', '/%76%31/accounts', '/adm%69n', '/admin?x=/y/']) {
            assertOwn(await gw.get(spelling), 401, '{"message":"Unauthorized"}');
            assert.equal((await gw.get(spelling, { token: 'good' })).status, 200, spelling);
        }
        assert.equal((await gw.get('/v1/other/')).body, 'proxy');
        assert.equal((await gw.get('/docs/')).body, 'default');
    });

    await t.test('answers of its own: one id, no type of error', async () => {
        assertOwn(await gw.get('/v1/accounts/'), 404, NOT_FOUND);
        assertOwn(await gw.get('/admin'), 401, '{"message":"Unauthorized"}');
        assertOwn(await gw.get('/admin', { token: 'bad' }), 403, '{"message":"Forbidden"}');
        assertOwn(await gw.get('/throw'), 500, FAILED);
        assertOwn(await gw.get('/slow'), 503, '{"message":"Service Unavailable"}');
        assertOwn(await gw.get('/a%2fb'), 400, '{"message":"Bad Request"}');
        assertOwn(
            await gw.request('POST', '/echo', { body: 'x'.repeat(7_000_000) }),
            413,
            '{"message":"Request Entity Too Large"}',
        );
    });

    await t.test('a malformed request is answered in the same manner', async () => {
        const { response } = await gw.raw('GET /x HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n');
        assert.equal(response.status, 400);
        assert.equal(response.text, '{"message":"Bad Request"}');
        assert.match(response.header('apigw-requestid'), HTTP_API_ID);
        assert.equal(response.header('x-amzn-errortype'), undefined);
    });

    await t.test('explain finds a request by its apigw-requestid', async () => {
        const refused = await gw.get('/admin', { token: 'bad' });
        const id = refused.headers['apigw-requestid'];
        const { code, stdout } = await gw.ropeline('explain', id);
        assert.equal(code, 0);
        assert.match(stdout, /403/);
        assert.match(stdout, /isAuthorized is false/);
    });

    await t.test('the event of payload format 2.0 (trap 25)', async () => {
        const answer = await gw.get('/echo/a%20b?x=1&x=2&y=a+b&z', {
            headers: {
                'X-Two': ['a', 'b'],
                Cookie: 'sid=1; theme=dark',
                'User-Agent': 'me',
                Host: 'front.test:81',
            },
        });
        const event = answer.json;
        assert.equal(answer.headers['content-type'], 'application/json');
        const { headers, requestContext, ...rest } = event;
        assert.deepEqual(rest, {
            version: '2.0',
            routeKey: 'GET /echo/{id}',
            rawPath: '/echo/a%20b',
            rawQueryString: 'x=1&x=2&y=a+b&z',
            cookies: ['sid=1', 'theme=dark'],
            queryStringParameters: { x: '1,2', y: 'a b', z: '' },
            pathParameters: { id: 'a%20b' },
            isBase64Encoded: false,
            stageVariables: { backend: 'v7' },
        });
        assert.equal(headers['x-two'], 'a,b');
        assert.equal(headers.host, 'front.test:81');
        assert.ok(!('cookie' in headers));
        assert.deepEqual(
            Object.keys(headers).filter((name) => name !== name.toLowerCase()),
            [],
        );
        const { http, time, timeEpoch, ...context } = requestContext;
        assert.deepEqual(context, {
            accountId: '123456789012',
            apiId: 'httpapi001',
            domainName: 'front.test',
            domainPrefix: 'front',
            requestId: answer.headers['apigw-requestid'],
            routeKey: 'GET /echo/{id}',
            stage: '$default',
        });
        assert.deepEqual(http, {
            method: 'GET',
            path: '/echo/a%20b',
            protocol: 'HTTP/1.1',
            sourceIp: '127.0.0.1',
            userAgent: 'me',
        });
        assert.match(time, /^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
        assert.ok(Math.abs(timeEpoch - Date.now()) < 60_000);
    });

    await t.test('bodies are text where their type is, else base64', async () => {
        const post = async (type, body) =>
            (await gw.request('POST', '/echo', { headers: { 'Content-Type': type }, body })).json;
        const json = await post('application/json', '{"ž":1}');
        assert.deepEqual([json.body, json.isBase64Encoded], ['{"ž":1}', false]);
        const form = await post('application/x-www-form-urlencoded', 'a=1');
        assert.deepEqual([form.body, form.isBase64Encoded], ['YT0x', true]);
        const bytes = await post('image/png', Buffer.from([0, 255, 1]));
        assert.deepEqual([bytes.body, bytes.isBase64Encoded], ['AP8B', true]);
        const wrong = await post('text/plain', Buffer.from([255]));
        assert.deepEqual([wrong.body, wrong.isBase64Encoded], ['/w==', true]);
        const none = await gw.request('POST', '/echo');
        assert.ok(!('body' in none.json));
    });

    await t.test('the event of payload format 1.0', async () => {
        const answer = await gw.request('PUT', '/one/7?x=1&x=2', {
            headers: { 'X-Two': ['a', 'b'], 'Content-Type': 'text/plain' },
            body: 'hello',
        });
        assert.equal(answer.status, 500, 'an event is no answer of format 1.0');
    });

    for (const [name, value, expected] of [
        ['an object without a statusCode', { a: 1 }, { status: 200, body: '{"a":1}' }],
        ['a list', [1, 2], { status: 200, body: '[1,2]' }],
        ['a string', 'Hello', { status: 200, body: 'Hello' }],
        ['null', null, { status: 200, body: 'null' }],
        ['a number', 7, { status: 200, body: '7' }],
        ['a statusCode', { statusCode: 201, body: 'b' }, { status: 201, body: 'b', plain: true }],
        ['a numeric text', { statusCode: '202' }, { status: 202, body: '', plain: true }],
        [
            'headers and cookies',
            { statusCode: 200, headers: { 'X-A': 3 }, cookies: ['a=1; Path=/', 'b=2'] },
            { status: 200, headers: { 'x-a': '3', 'set-cookie': ['a=1; Path=/', 'b=2'] } },
        ],
        [
            'base64',
            { statusCode: 200, body: 'AP8=', isBase64Encoded: true },
            { status: 200, bytes: Buffer.from([0, 255]) },
        ],
        [
            'framing headers are the gateway\'s own',
            { statusCode: 200, headers: { 'Transfer-Encoding': 'chunked' }, body: 'x' },
            { status: 200, body: 'x' },
        ],
    ]) {
        await t.test(`an answer of format 2.0: ${name}`, async () => {
            const answer = await gw.request('POST', '/says', { body: JSON.stringify(value) });
            assert.equal(answer.status, expected.status, answer.body);
            if (expected.body !== undefined) {
                assert.equal(answer.body, expected.body);
                assert.equal(
                    answer.headers['content-type'],
                    expected.plain || value?.statusCode
                        ? 'text/plain;charset=UTF-8'
                        : 'application/json',
                );
            }
            if (expected.bytes) {
                assert.deepEqual(answer.bytes, expected.bytes);
            }
            for (const [header, text] of Object.entries(expected.headers ?? {})) {
                assert.deepEqual(answer.headers[header], text);
            }
        });
    }

    await t.test('answers of the wrong shape are 500', async () => {
        const wrong = [
            { statusCode: 'ok' },
            { statusCode: 99 },
            { statusCode: null },
            { statusCode: 200, headers: [] },
            { statusCode: 200, body: {} },
            { statusCode: 200, cookies: 'a=1' },
            { statusCode: 200, cookies: [1] },
            { statusCode: 200, body: '%', isBase64Encoded: true },
            { statusCode: 200, isBase64Encoded: 'true' },
            { statusCode: 200, headers: { 'X-A': 'a\r\nX-B: b' } },
            { statusCode: 200, cookies: ['a\r\nX-B: b'] },
        ];
        for (const value of wrong) {
            const answer = await gw.request('POST', '/says', { body: JSON.stringify(value) });
            assertOwn(answer, 500, FAILED);
        }
        for (const value of [{ a: 1 }, 'text', null, { body: 'x' }]) {
            const answer = await gw.request('POST', '/says1', { body: JSON.stringify(value) });
            assertOwn(answer, 500, FAILED);
        }
        const many = { statusCode: 200, multiValueHeaders: { 'X-M': ['a', 'b'] }, body: 'x' };
        const answer = await gw.request('POST', '/says1', { body: JSON.stringify(many) });
        assert.equal(answer.headers['x-m'], 'a, b');
    });
});

test('payload format 1.0 in full, and named stages', async (t) => {
    const shows = `async (event) => ({ statusCode: 200, body: JSON.stringify(event) })`;
    const gw = await start(
        t,
        httpApi({
            stage: 'prod',
            routes: {
                'ANY /one/{id}': calls(shows, { version: '1.0' }),
                'GET /two': calls(ECHO),
                'GET /prod': calls(NAMES('a route called as the stage')),
            },
        }),
    );
    const answer = await gw.request('PUT', '/prod/one/7?x=1&x=2', {
        headers: { 'X-Two': ['a', 'b'], 'Content-Type': 'text/plain', Host: 'front.test' },
        body: 'hello',
    });
    const { headers, multiValueHeaders, requestContext, ...rest } = answer.json;
    assert.deepEqual(rest, {
        version: '1.0',
        resource: '/one/{id}',
        path: '/prod/one/7',
        httpMethod: 'PUT',
        queryStringParameters: { x: '2' },
        multiValueQueryStringParameters: { x: ['1', '2'] },
        pathParameters: { id: '7' },
        stageVariables: null,
        body: 'hello',
        isBase64Encoded: false,
    });
    assert.equal(headers['X-Two'], 'b');
    assert.deepEqual(multiValueHeaders['X-Two'], ['a', 'b']);
    assert.equal(requestContext.stage, 'prod');
    assert.equal(requestContext.path, '/prod/one/7');
    assert.equal(requestContext.resourcePath, '/one/{id}');
    assert.equal(requestContext.resourceId, null);
    assert.equal(requestContext.requestId, answer.headers['apigw-requestid']);
    assert.equal(requestContext.identity.sourceIp, '127.0.0.1');
    assert.ok(!('authorizer' in requestContext));

    const two = (await gw.get('/prod/two')).json;
    assert.equal(two.rawPath, '/prod/two');
    assert.equal(two.requestContext.http.path, '/prod/two');
    assert.equal(two.requestContext.stage, 'prod');
    assertOwn(await gw.get('/two'), 404, NOT_FOUND);
    assertOwn(await gw.get('/prod'), 404, NOT_FOUND);
    assert.equal((await gw.get('/prod/prod')).body, 'a route called as the stage');
});

test('several APIs: by stage, by host, and not at all where it is ambiguous', async (t) => {
    const one = (id, stage) => ({ id, stage, routes: { $default: calls(NAMES(id)) } });
    const gw = await start(
        t,
        httpApis({ A: one('apia000000'), B: one('apib000000'), C: one('apic000000', 'v2') }),
    );
    const at = (id, path) => gw.get(path, { headers: { Host: `${id}.execute-api.localhost` } });
    assertOwn(await gw.get('/x'), 404, NOT_FOUND);
    assert.equal((await gw.get('/v2/x')).body, 'apic000000');
    assert.equal((await at('apia000000', '/x')).body, 'apia000000');
    assert.equal((await at('apib000000', '/v2/x')).body, 'apib000000');
    assertOwn(await at('apic000000', '/x'), 404, NOT_FOUND);
    assertOwn(await at('nobody0000', '/x'), 404, NOT_FOUND);
    const user = '_user_request_';
    assert.equal((await gw.get(`/restapis/apib000000/$default/${user}/x`)).body, 'apib000000');
    assert.equal((await gw.get(`/restapis/apic000000/v2/${user}/x`)).body, 'apic000000');
});
