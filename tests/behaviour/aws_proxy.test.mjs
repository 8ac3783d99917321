/* SPDX-License-Identifier: Apache-2.0
 * AWS_PROXY: the event that a function gets, and which of its answers are answers.
 */
import assert from 'node:assert/strict';
import { start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    allowing,
    api,
    lambda,
    open,
    returning,
    statement,
    token,
} from '../lib/template.mjs';

const ECHO = lambda(`async (event) => ({ statusCode: 200, body: JSON.stringify(event) })`);
/** A function that returns what its caller posts. */
const SAYS = open(lambda(`async ({ body, isBase64Encoded }) =>
    JSON.parse(isBase64Encoded ? Buffer.from(body, 'base64') : body)`));

const FAILED = '{"message": "Internal server error"}';

test('the event has the keys of payload format 1.0, and no more', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            variables: { color: 'blue' },
            routes: { 'ANY /o/{id}/{rest+}': ECHO },
        }),
    );
    const given = returning({
        principalId: 'ana',
        context: { role: 'editor' },
        policyDocument: { Version: '2012-10-17', Statement: [statement('Allow', '*')] },
    });
    const { response } = await gw.raw(
        'POST /dev/o/7/a/b?x=1&x=2&y=a+b&z HTTP/1.1\r\nHost: front.test:81\r\n' +
            `Authorization: ${given}\r\nX-Two: a\r\nx-two: b\r\nUser-Agent: me\r\nContent-Length: 5\r\n\r\nhello`,
    );
    const event = response.json;
    assert.deepEqual(Object.keys(event).sort(), [
        'body',
        'headers',
        'httpMethod',
        'isBase64Encoded',
        'multiValueHeaders',
        'multiValueQueryStringParameters',
        'path',
        'pathParameters',
        'queryStringParameters',
        'requestContext',
        'resource',
        'stageVariables',
    ]);
    assert.equal(event.resource, '/o/{id}/{rest+}');
    assert.equal(event.path, '/o/7/a/b');
    assert.equal(event.httpMethod, 'POST');
    assert.equal(event.body, 'hello');
    assert.equal(event.isBase64Encoded, false);
    assert.deepEqual(event.pathParameters, { id: '7', rest: 'a/b' });
    assert.deepEqual(event.queryStringParameters, { x: '2', y: 'a b', z: '' });
    assert.deepEqual(event.multiValueQueryStringParameters, { x: ['1', '2'], y: ['a b'], z: [''] });
    assert.deepEqual(event.stageVariables, { color: 'blue' });
    const two = Object.entries(event.multiValueHeaders).filter(
        ([name]) => name.toLowerCase() === 'x-two',
    );
    assert.deepEqual(
        two.flatMap(([, values]) => values),
        ['a', 'b'],
    );
    assert.equal(event.headers.Host, 'front.test:81');
    for (const name of [
        'X-Forwarded-For',
        'X-Forwarded-Port',
        'X-Forwarded-Proto',
        'X-Amzn-Trace-Id',
    ]) {
        assert.equal(typeof event.headers[name], 'string', name);
        assert.equal(event.multiValueHeaders[name].length, 1, name);
    }
});

test('the request context has what AWS documents', async (t) => {
    const gw = await start(
        t,
        api({ authorizer: token(OBEDIENT), routes: { 'GET /o/{id}': ECHO } }),
    );
    const answer = await gw.get('/o/7', {
        token: allowing(),
        headers: { 'User-Agent': 'me', Host: 'front.test' },
    });
    const { identity, authorizer, ...context } = answer.json.requestContext;
    assert.equal(context.accountId, '123456789012');
    assert.match(context.apiId, /^[a-z0-9]{10}$/);
    assert.equal(context.httpMethod, 'GET');
    assert.equal(context.path, '/dev/o/7');
    assert.equal(context.resourcePath, '/o/{id}');
    assert.equal(context.protocol, 'HTTP/1.1');
    assert.equal(context.stage, 'dev');
    assert.equal(context.domainName, 'front.test');
    assert.equal(context.domainPrefix, 'front');
    assert.equal(context.requestId, answer.headers['x-amzn-requestid']);
    assert.equal(context.extendedRequestId, answer.headers['x-amz-apigw-id']);
    assert.match(context.requestTime, /^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
    assert.ok(Math.abs(context.requestTimeEpoch - Date.now()) < 60_000);
    assert.equal(typeof context.resourceId, 'string');
    assert.equal(identity.sourceIp, '127.0.0.1');
    assert.equal(identity.userAgent, 'me');
    for (const name of [
        'accessKey',
        'accountId',
        'caller',
        'cognitoAuthenticationProvider',
        'cognitoAuthenticationType',
        'cognitoIdentityId',
        'cognitoIdentityPoolId',
        'principalOrgId',
        'user',
        'userArn',
    ]) {
        assert.equal(identity[name], null, name);
    }
    assert.equal(authorizer.principalId, 'ana');
});

test('what is empty is null, and an open route has no authorizer', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /': ECHO } }));
    const event = (await gw.get('/')).json;
    for (const name of [
        'queryStringParameters',
        'multiValueQueryStringParameters',
        'pathParameters',
        'stageVariables',
        'body',
    ]) {
        assert.equal(event[name], null, name);
    }
    assert.ok(!('authorizer' in event.requestContext));
    assert.equal(event.path, '/');
});

test('a body is text, with every character of it', async (t) => {
    const gw = await start(t, api({ routes: { 'POST /x': ECHO } }));
    for (const body of ['', '{"a":"\\u0000"}', 'žluťoučký 🐎\n\t"\\', '\u2028\u0001']) {
        const event = (await gw.request('POST', '/x', { body })).json;
        assert.equal(event.body, body === '' ? null : body);
    }
    assert.equal(
        (await gw.request('POST', '/x', { body: 'x'.repeat(1_000_000) })).json.body.length,
        1_000_000,
    );
});

const takes = [
    ['no status is 200', {}, { status: 200, body: '' }],
    ['a number', { statusCode: 201, body: 'b' }, { status: 201, body: 'b' }],
    ['a status that is numeric text', { statusCode: '202' }, { status: 202 }],
    ['null headers', { statusCode: 200, headers: null, multiValueHeaders: null }, { status: 200 }],
    ['a null body', { statusCode: 200, body: null }, { status: 200, body: '' }],
    [
        'scalar header values become text',
        { headers: { 'X-B': true, 'X-N': 3, 'X-S': 's' } },
        { status: 200, headers: { 'x-b': 'true', 'x-n': '3', 'x-s': 's' } },
    ],
    [
        'many values',
        { multiValueHeaders: { 'X-M': ['a', 'b'], 'Set-Cookie': ['a=1', 'b=2'] } },
        { status: 200, headers: { 'x-m': 'a, b', 'set-cookie': ['a=1', 'b=2'] } },
    ],
    [
        'many values win over one',
        { headers: { 'X-M': 'one', 'X-O': 'o' }, multiValueHeaders: { 'x-m': ['a'] } },
        { status: 200, headers: { 'x-m': 'a', 'x-o': 'o' } },
    ],
    [
        'the default type is JSON',
        { body: '{}' },
        { status: 200, headers: { 'content-type': 'application/json' } },
    ],
    [
        'another type',
        { headers: { 'content-type': 'text/html' } },
        { status: 200, headers: { 'content-type': 'text/html' } },
    ],
    ['an error of its own', { statusCode: 418, body: 'teapot' }, { status: 418, body: 'teapot' }],
];
test('an answer of the right shape is sent', async (t) => {
    const gw = await start(t, api({ routes: { 'POST /x': SAYS } }));
    for (const [name, value, expected] of takes) {
        await t.test(name, async () => {
            const answer = await gw.request('POST', '/x', { body: JSON.stringify(value) });
            assert.equal(answer.status, expected.status, answer.body);
            if (expected.body !== undefined) {
                assert.equal(answer.body, expected.body);
            }
            for (const [header, text] of Object.entries(expected.headers ?? {})) {
                assert.deepEqual(answer.headers[header], text);
            }
            assert.match(answer.headers['x-amzn-trace-id'], /^Root=1-/);
            assert.match(answer.headers['x-amzn-requestid'], /^[0-9a-f-]{36}$/);
        });
    }
});

const refuses = [
    ['text', 'hello'],
    ['null', null],
    ['a number', 7],
    ['a list', []],
    ['another key', { statusCode: 200, message: 'x' }],
    ['a status that is no number', { statusCode: 'ok' }],
    ['a status out of range', { statusCode: 1000 }],
    ['a status below', { statusCode: 99 }],
    ['one value where a list belongs', { multiValueHeaders: { a: 'b' } }],
    ['headers that are a list', { headers: [] }],
    ['a body that is an object', { body: {} }],
    ['a header that would split the answer', { headers: { 'X-A': 'a\r\nX-B: b' } }],
    ['a header name that would', { headers: { 'X-A: a\r\nX-B': 'b' } }],
    ['NUL in a header', { headers: { 'X-A': 'a\0b' } }],
    ['splitting by many values', { multiValueHeaders: { 'X-A': ['a\nb'] } }],
];
test('an answer of any other shape is 502', async (t) => {
    const gw = await start(t, api({ routes: { 'POST /x': SAYS } }));
    for (const [name, value] of refuses) {
        await t.test(name, async () => {
            const answer = await gw.request('POST', '/x', { body: JSON.stringify(value) });
            assert.equal(answer.status, 502, answer.body);
            assert.equal(answer.body, FAILED);
            assert.equal(answer.headers['x-amzn-errortype'], 'InternalServerErrorException');
            assert.equal(answer.headers['x-b'], undefined);
        });
    }
});

test('100,000 headers, or what is no base64, cost no more than their request', async (t) => {
    const many = lambda(`async (event) => {
        const headers = {};
        for (let i = 0; i < Number(event.queryStringParameters.n); i++) headers['x-' + i] = 'v';
        return { headers, multiValueHeaders: { 'x-m': Array(Number(event.queryStringParameters.m)).fill('v') } };
    }`);
    const extra = { 'x-amazon-apigateway-binary-media-types': ['*/*'] };
    const gw = await start(t, api({ extra, routes: { 'GET /many': many, 'POST /x': SAYS } }));
    assert.equal((await gw.get('/many?n=50&m=50')).status, 200);
    for (const query of ['n=100000&m=1', 'n=1&m=100000', 'n=100000&m=100000']) {
        assert.equal((await gw.get(`/many?${query}`)).status, 502, query);
    }
    const bytes = { body: 'AP8=', isBase64Encoded: true };
    const post = (value) => gw.request('POST', '/x', { body: JSON.stringify(value) });
    assert.deepEqual((await post(bytes)).bytes, Buffer.from([0, 255]));
    for (const body of ['%', 'AP8', 'A=P8', 'AP8=\n!', {}]) {
        assert.equal((await post({ ...bytes, body })).status, 502, String(body));
    }
    assert.equal((await post({ body: 'well' })).status, 200);
});

test('a function that fails is 502', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /throw': lambda(`async () => { throw new Error('secret detail'); }`),
                'GET /unauthorized': lambda(`async () => { throw new Error('Unauthorized'); }`),
                'GET /exit': lambda(`async () => process.exit(0)`),
                'GET /hang': lambda(`async () => sleep(60000)`, { timeout: 1 }),
                'GET /init': lambda(
                    `exports.handler = async () => {}; throw new Error('at load');`,
                ),
            },
        }),
    );
    for (const path of ['/throw', '/unauthorized', '/exit', '/hang', '/init']) {
        const answer = await gw.get(path);
        assert.equal(answer.status, 502, path);
        assert.equal(answer.body, FAILED, path);
        assert.equal(answer.headers['x-amzn-errortype'], 'InternalServerErrorException', path);
    }
});

test("a function that outlasts the integration's timeout is 504", async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(`async () => sleep(60000)`, {
                    timeout: 20,
                    integrationTimeout: 300,
                }),
            },
        }),
    );
    const began = Date.now();
    const answer = await gw.get('/x');
    assert.equal(answer.status, 504);
    assert.equal(answer.body, '{"message": "Endpoint request timed out"}');
    assert.ok(Date.now() - began < 5000);
});

test('an event above 6 MB is refused and an answer above 6 MB is 502', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'POST /in': lambda(`async (event) => ({ body: String(event.body.length) })`),
                'GET /out': lambda(`async () => ({ body: 'x'.repeat(7000000) })`),
                'GET /large': lambda(`async () => ({ body: 'x'.repeat(5000000) })`),
            },
        }),
    );
    assert.equal(
        (await gw.request('POST', '/in', { body: 'x'.repeat(5_000_000) })).body,
        '5000000',
    );
    assert.equal((await gw.request('POST', '/in', { body: 'x'.repeat(7_000_000) })).status, 413);
    assert.equal((await gw.get('/large')).bytes.length, 5_000_000);
    const answer = await gw.get('/out');
    assert.equal(answer.status, 502);
    assert.equal(answer.body, FAILED);
    assert.equal((await gw.get('/large')).status, 200);
});

test('header names arrive in the case in which they were sent', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': ECHO } }));
    const { response } = await gw.raw(
        'GET /dev/x HTTP/1.1\r\nHost: a\r\nx-lower: 1\r\nX-UPPER: 2\r\n\r\n',
    );
    assert.equal(response.json.headers['x-lower'], '1');
    assert.equal(response.json.headers['X-UPPER'], '2');
});
