/* SPDX-License-Identifier: Apache-2.0
 * TOKEN authorizers: when the function is asked, what it is asked, and what becomes of each of its
 * answers.
 */
import assert from 'node:assert/strict';
import { start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    allowing,
    api,
    fn,
    lambda,
    mock,
    open,
    order,
    policy,
    returning,
    statement,
    throwing,
    token,
} from '../lib/template.mjs';

const WHO = lambda(
    `async (event) => ({ statusCode: 200, body: JSON.stringify(event.requestContext) })`,
);
const guarded = (code, options) =>
    api({ authorizer: token(code, options), routes: { 'GET /x': mock(200, 'in') } });

function assertAuthorizerError(answer) {
    assert.equal(answer.status, 500);
    assert.equal(answer.body, '{"message":null}');
    assert.equal(answer.headers['x-amzn-errortype'], 'AuthorizerConfigurationException');
}

/* ---- whether the function is asked ---- */

test('a guarded route asks its authorizer; an open one does not (trap 28)', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: { 'GET /x': mock(200, 'in'), 'GET /open': open(mock(200, 'open')) },
        }),
    );
    assert.equal((await gw.get('/open')).status, 200);
    assert.equal((await gw.get('/open', { token: throwing('Unauthorized') })).status, 200);
    assert.equal(gw.calls().length, 0);
    assert.equal((await gw.get('/x', { token: throwing('Unauthorized') })).status, 401);
    assert.equal((await gw.get('/x', { token: allowing() })).status, 200);
    assert.equal(gw.calls().length, 2);
});

test('without a token the answer is 401 and the function is not called', async (t) => {
    const gw = await start(t, guarded(OBEDIENT));
    for (const headers of [
        {},
        { Authorization: '' },
        { Authorization: '   ' },
        { Cookie: 'a=b' },
    ]) {
        const answer = await gw.get('/x', { headers });
        assert.equal(answer.status, 401);
        assert.equal(answer.body, '{"message":"Unauthorized"}');
        assert.equal(answer.headers['x-amzn-errortype'], 'UnauthorizedException');
    }
    assert.equal(gw.calls().length, 0);
});

test('a token that fails the validation expression is 401 and the function is not called', async (t) => {
    const gw = await start(
        t,
        guarded(`async () => allow()`, { validation: '^Bearer [-0-9a-z.]+$' }),
    );
    for (const token of [
        'bearer abc',
        'Bearer',
        'Bearer ',
        'xBearer abc',
        'Bearer abc!',
        'Bearer a b',
    ]) {
        assert.equal((await gw.get('/x', { token })).status, 401, token);
    }
    assert.equal(gw.calls().length, 0);
    assert.equal((await gw.get('/x', { token: 'Bearer abc.def' })).status, 200);
});

test('the validation expression must match the whole value', async (t) => {
    const gw = await start(t, guarded(`async () => allow()`, { validation: 'Bearer' }));
    assert.equal((await gw.get('/x', { token: 'Bearer abc' })).status, 401);
    assert.equal((await gw.get('/x', { token: 'Bearer' })).status, 200);
});

test('the validation expression never rewrites the token (trap 20)', async (t) => {
    const gw = await start(t, guarded(`async () => allow()`, { validation: '^Bearer ([a-z]+)$' }));
    assert.equal((await gw.get('/x', { token: 'Bearer abc' })).status, 200);
    assert.equal(gw.calls()[0].authorizationToken, 'Bearer abc');
});

test('an expression that would backtrack for ever denies in good time', async (t) => {
    const gw = await start(t, guarded(`async () => allow()`, { validation: '^(a+)+$' }));
    const began = Date.now();
    const answer = await gw.get('/x', { token: `${'a'.repeat(4000)}!` });
    assert.ok(answer.status === 401 || answer.status === 500, `${answer.status}`);
    assert.ok(Date.now() - began < 2000);
    assert.equal(gw.calls().length, 0);
});

test('a custom header carries the token, in whatever case the client writes it (trap 18)', async (t) => {
    const gw = await start(t, guarded(`async () => allow()`, { header: 'X-Api-Token' }));
    assert.equal((await gw.get('/x', { headers: { Authorization: 'a' } })).status, 401);
    for (const name of ['X-Api-Token', 'x-api-token', 'X-API-TOKEN']) {
        assert.equal((await gw.get('/x', { headers: { [name]: name } })).status, 200, name);
    }
    assert.deepEqual(
        gw.calls().map((event) => event.authorizationToken),
        ['X-Api-Token', 'x-api-token', 'X-API-TOKEN'],
    );
});

test('two values of the token header are one too many', async (t) => {
    const gw = await start(t, guarded(`async () => allow()`));
    const { response } = await gw.raw(
        'GET /dev/x HTTP/1.1\r\nHost: a\r\nAuthorization: one\r\n' + 'Authorization: two\r\n\r\n',
    );
    assert.equal(response.status, 401);
    assert.equal(gw.calls().length, 0);
});

test('each route asks its own authorizer', async (t) => {
    const gw = await start(
        t,
        api({
            authorizers: {
                First: token(`async () => allow()`),
                Second: token(`async () => { throw new Error('Unauthorized'); }`),
            },
            routes: { 'GET /one': mock(), 'GET /two': { ...mock(), guard: 'Second' } },
        }),
    );
    assert.equal((await gw.get('/one', { token: 'a' })).status, 200);
    assert.equal((await gw.get('/two', { token: 'a' })).status, 401);
    assert.deepEqual([gw.calls('First').length, gw.calls('Second').length], [1, 1]);
});

/* ---- what it is asked ---- */

test('the event has exactly type, authorizationToken and methodArn', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(`async () => allow()`),
            routes: { 'POST /orders/{id}': mock() },
        }),
    );
    await gw.request('POST', '/orders/42?a=1', { token: 'Bearer abc', body: '{"secret":1}' });
    const [event] = gw.calls();
    assert.deepEqual(Object.keys(event).sort(), ['authorizationToken', 'methodArn', 'type']);
    assert.equal(event.type, 'TOKEN');
    assert.equal(event.authorizationToken, 'Bearer abc');
    assert.match(
        event.methodArn,
        /^arn:aws:execute-api:us-east-1:123456789012:[a-z0-9]{10}\/dev\/POST\/orders\/42$/,
    );
});

test('methodArn has the path that was asked for and not its template (trap 9)', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(`async () => allow()`),
            routes: { 'ANY /users/{id}/{part}': mock() },
        }),
    );
    await gw.get('/users/7/name?x={id}', { token: 'a' });
    await gw.request('DELETE', '/users/8/mail', { token: 'a' });
    assert.deepEqual(
        gw.calls().map(({ methodArn }) => methodArn.split('/dev')[1]),
        ['/GET/users/7/name', '/DELETE/users/8/mail'],
    );
});

test('methodArn of the root ends with a bare slash (trap 10)', async (t) => {
    const gw = await start(
        t,
        api({ authorizer: token(`async () => allow()`), routes: { 'GET /': mock() } }),
    );
    assert.equal((await gw.get('', { token: 'a' })).status, 200);
    assert.equal((await gw.get('/', { token: 'a' })).status, 200);
    for (const { methodArn } of gw.calls()) {
        assert.match(methodArn, /\/dev\/GET\/$/);
    }
});

test('methodArn of a greedy route has the real path (trap 47)', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: { 'ANY /files/{proxy+}': mock() },
        }),
    );
    assert.equal(
        (await gw.get('/files/a/b.txt', { token: allowing('$api/dev/GET/files/a/b.txt') })).status,
        200,
    );
    assert.equal(
        (await gw.get('/files/a/b.txt', { token: allowing('$api/dev/GET/files/{proxy+}') })).status,
        403,
    );
    assert.equal(gw.calls()[0].methodArn.split('/dev')[1], '/GET/files/a/b.txt');
});

/* ---- what it answers ---- */

const REFUSALS = [
    [`async () => { throw new Error('Unauthorized'); }`, 401, 'throws Error("Unauthorized")'],
    [`async () => { throw 'Unauthorized'; }`, 401, 'throws "Unauthorized"'],
    [`(event, context, callback) => callback('Unauthorized')`, 401, 'calls back "Unauthorized"'],
    [
        `(event, context, callback) => callback(new Error('Unauthorized'))`,
        401,
        'calls back an Error',
    ],
    [`(event, context) => context.fail('Unauthorized')`, 401, 'context.fail("Unauthorized")'],
    [`async (event, context) => { context.fail('Unauthorized'); }`, 401, 'async, and context.fail'],
    [
        `async () => { throw new TypeError('Unauthorized'); }`,
        401,
        'throws a TypeError of that text',
    ],
];
for (const [code, status, name] of REFUSALS) {
    test(`a function that ${name} is ${status} (trap 3)`, async (t) => {
        const gw = await start(t, guarded(code));
        const answer = await gw.get('/x', { token: 'a' });
        assert.equal(answer.status, status);
        assert.equal(answer.body, '{"message":"Unauthorized"}');
        assert.equal(answer.headers['x-amzn-errortype'], 'UnauthorizedException');
    });
}

test('any other error text is 500 with a null message (traps 3, 50, 51)', async (t) => {
    const gw = await start(t, guarded(OBEDIENT));
    for (const text of [
        'unauthorized',
        'Unauthorized.',
        'Unauthorized ',
        ' Unauthorized',
        'UNAUTHORIZED',
        '[401] Unauthorized',
        'Forbidden',
        '',
    ]) {
        assertAuthorizerError(await gw.get('/x', { token: throwing(text) }));
    }
});

const ALLOW_ALL = { Version: '2012-10-17', Statement: [statement('Allow', '*')] };
const rejected = [
    ['{statusCode: 401} is 500 and not 401 (trap 4)', { statusCode: 401 }],
    ['an HTTP answer is 500 (trap 4)', { statusCode: 200, body: 'ok', headers: {} }],
    ['null is 500', null],
    ['a string is 500', 'Allow'],
    ['true is 500', true],
    ['a list is 500', [ALLOW_ALL]],
    ['isAuthorized is no answer of a REST authorizer', { isAuthorized: true }],
    ['no principalId is 500', { policyDocument: ALLOW_ALL }],
    ['a principalId that is a number is 500', { principalId: 7, policyDocument: ALLOW_ALL }],
    ['a principalId that is null is 500', { principalId: null, policyDocument: ALLOW_ALL }],
    ['no policyDocument is 500', { principalId: 'ana' }],
    [
        'a policyDocument that is text is 500',
        { principalId: 'ana', policyDocument: JSON.stringify(ALLOW_ALL) },
    ],
    ['no Statement is 500', { principalId: 'ana', policyDocument: { Version: '2012-10-17' } }],
    [
        'lower-case element names are 500 although they allow (trap 5)',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2012-10-17',
                Statement: [{ action: 'execute-api:Invoke', effect: 'Allow', resource: '*' }],
            },
        },
    ],
    [
        'a lower-case statement is 500',
        {
            principalId: 'ana',
            policyDocument: {
                version: '2012-10-17',
                statement: [statement('Allow', '*')],
            },
        },
    ],
    [
        'an unknown element is 500',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2012-10-17',
                Statement: [{ ...statement('Allow', '*'), Effects: 'Allow' }],
            },
        },
    ],
    [
        'an Effect that is neither is 500',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2012-10-17',
                Statement: [statement('Permit', '*')],
            },
        },
    ],
    [
        'a Version that does not exist is 500',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2013-01-01',
                Statement: [statement('Allow', '*')],
            },
        },
    ],
    [
        'a list in context is 500 (trap 6)',
        { principalId: 'ana', policyDocument: ALLOW_ALL, context: { roles: ['a'] } },
    ],
    [
        'an object in context is 500 (trap 6)',
        { principalId: 'ana', policyDocument: ALLOW_ALL, context: { user: {} } },
    ],
    [
        'a context that is text is 500',
        { principalId: 'ana', policyDocument: ALLOW_ALL, context: 'admin' },
    ],
];
test('an answer of another shape is 500 with AuthorizerConfigurationException', async (t) => {
    const gw = await start(t, guarded(OBEDIENT));
    for (const [name, value] of rejected) {
        await t.test(name, async () => {
            assertAuthorizerError(await gw.get('/x', { token: returning(value) }));
        });
    }
    assert.equal(
        (await gw.get('/x', { token: allowing() })).status,
        200,
        'and the next good one passes',
    );
});

const accepted = [
    ['an empty principalId', { principalId: '', policyDocument: ALLOW_ALL }],
    [
        'an Effect in lower case',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2012-10-17',
                Statement: [statement('allow', '*')],
            },
        },
    ],
    [
        'one statement that is no list',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2012-10-17',
                Statement: statement('Allow', '*'),
            },
        },
    ],
    [
        'the Version of 2008',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2008-10-17',
                Statement: [statement('Allow', '*')],
            },
        },
    ],
    [
        'a Sid',
        {
            principalId: 'ana',
            policyDocument: {
                Version: '2012-10-17',
                Statement: [statement('Allow', '*', { Sid: 'one' })],
            },
        },
    ],
    [
        'a usageIdentifierKey',
        { principalId: 'ana', policyDocument: ALLOW_ALL, usageIdentifierKey: 'x'.repeat(30) },
    ],
    ['an empty context', { principalId: 'ana', policyDocument: ALLOW_ALL, context: {} }],
    [
        'members that nobody asked for',
        { principalId: 'ana', policyDocument: ALLOW_ALL, extra: [1] },
    ],
];
test('an answer of an unusual shape that AWS takes is taken', async (t) => {
    const gw = await start(t, guarded(OBEDIENT));
    for (const [name, value] of accepted) {
        await t.test(name, async () => {
            assert.equal((await gw.get('/x', { token: returning(value) })).status, 200);
        });
    }
});

test('a null in context does not crash and arrives as null (trap 7)', async (t) => {
    const gw = await start(t, api({ authorizer: token(OBEDIENT), routes: { 'GET /x': WHO } }));
    const answer = await gw.get('/x', {
        token: returning({
            principalId: 'ana',
            policyDocument: ALLOW_ALL,
            context: { tenant: null, other: 'x' },
        }),
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.authorizer.tenant, null);
    assert.equal(answer.json.authorizer.other, 'x');
});

test('numbers and booleans of the context arrive as text, the latency as a number (trap 8)', async (t) => {
    const gw = await start(t, api({ authorizer: token(OBEDIENT), routes: { 'GET /x': WHO } }));
    const { authorizer } = (
        await gw.get('/x', {
            token: returning({
                principalId: 'ana',
                policyDocument: ALLOW_ALL,
                context: { level: 3, ratio: 1.5, beta: true, gamma: false, text: '7' },
            }),
        })
    ).json;
    const { integrationLatency, ...rest } = authorizer;
    assert.deepEqual(rest, {
        principalId: 'ana',
        level: '3',
        ratio: '1.5',
        beta: 'true',
        gamma: 'false',
        text: '7',
    });
    assert.equal(typeof integrationLatency, 'number');
});

test('names that mean something to JavaScript are only names in the context', async (t) => {
    const text = `{"principalId":"ana","policyDocument":${JSON.stringify(ALLOW_ALL)},"context":` +
        '{"__proto__":"p","constructor":"c","hasOwnProperty":"h","toString":"t","isAdmin":"no"}}';
    const guard = token(`async () => JSON.parse(${JSON.stringify(text)})`);
    const gw = await start(t, api({ authorizer: guard, routes: { 'GET /x': WHO } }));
    const { authorizer } = (await gw.get('/x', { token: 'a' })).json;
    const { integrationLatency, ...rest } = authorizer;
    assert.equal(JSON.stringify(Object.entries(rest).sort()), JSON.stringify([['__proto__', 'p'], ['constructor', 'c'],
        ['hasOwnProperty', 'h'], ['isAdmin', 'no'], ['principalId', 'ana'], ['toString', 't']]));
});

test('an undefined member of the context is absent', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(`async () => allow('*', { context: { a: undefined, b: 'x' } })`),
            routes: { 'GET /x': WHO },
        }),
    );
    const { authorizer } = (await gw.get('/x', { token: 'a' })).json;
    assert.deepEqual(Object.keys(authorizer).sort(), ['b', 'integrationLatency', 'principalId']);
});

test('the principal of the policy wins over a context key of that name', async (t) => {
    const gw = await start(t, api({ authorizer: token(OBEDIENT), routes: { 'GET /x': WHO } }));
    const { authorizer } = (
        await gw.get('/x', {
            token: returning({
                principalId: 'ana',
                policyDocument: ALLOW_ALL,
                context: { principalId: 'root' },
            }),
        })
    ).json;
    assert.equal(authorizer.principalId, 'ana');
});

test('the backend function is told the principal (trap 27)', async (t) => {
    const gw = await start(t, api({ authorizer: token(OBEDIENT), routes: { 'GET /x': WHO } }));
    const { authorizer } = (
        await gw.get('/x', {
            token: returning({
                principalId: 'user|42',
                policyDocument: ALLOW_ALL,
            }),
        })
    ).json;
    assert.equal(authorizer.principalId, 'user|42');
});

/* ---- how it fails ---- */

test('a function that ends its process is 500, and the next call finds a new one', async (t) => {
    const gw = await start(t, guarded(OBEDIENT));
    for (const code of [0, 1]) {
        assertAuthorizerError(await gw.get('/x', { token: order({ exits: code }) }));
        assert.equal((await gw.get('/x', { token: allowing() })).status, 200);
    }
});

test('a function that takes longer than its timeout is 500', async (t) => {
    const gw = await start(t, guarded(OBEDIENT, { timeout: 1 }));
    const began = Date.now();
    assertAuthorizerError(await gw.get('/x', { token: order({ sleeps: 20_000 }) }));
    assert.ok(Date.now() - began < 8000);
    assert.equal((await gw.get('/x', { token: allowing() })).status, 200);
});

test('a function that cannot be loaded is 500', async (t) => {
    const gw = await start(t, guarded(`exports.handler = async () => { await x;`));
    assertAuthorizerError(await gw.get('/x', { token: 'a' }));
    assertAuthorizerError(await gw.get('/x', { token: 'a' }));
});

test('a function that returns nothing is 500', async (t) => {
    const gw = await start(t, guarded(`(event, context, callback) => callback(null)`));
    assertAuthorizerError(await gw.get('/x', { token: 'a' }));
});

test('an ES module is as good as CommonJS', async (t) => {
    const files = {
        'index.mjs': `export const handler = async (event) => ({ principalId: 'm', policyDocument:
        { Version: '2012-10-17', Statement: [{ Action: '*', Effect: 'Allow', Resource: event.methodArn }] } });`,
    };
    const gw = await start(
        t,
        api({
            authorizer: { ...token(undefined), fn: fn(undefined, { files }) },
            routes: { 'GET /x': mock() },
        }),
    );
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
});

test('no denied request reaches the backend function', async (t) => {
    const gw = await start(t, api({ authorizer: token(OBEDIENT), routes: { 'GET /x': WHO } }));
    const tokens = [
        undefined,
        '',
        throwing('Unauthorized'),
        throwing('x'),
        returning(null),
        order({ exits: 1 }),
        policy(statement('Deny', '*')),
        allowing('$api/dev/GET/y'),
        'no order at all',
    ];
    for (const one of tokens) {
        assert.notEqual((await gw.get('/x', { token: one })).status, 200);
    }
    assert.equal(gw.calls('Function1').length, 0);
    assert.equal((await gw.get('/x', { token: allowing() })).status, 200);
    assert.equal(gw.calls('Function1').length, 1);
});
