/* SPDX-License-Identifier: Apache-2.0
 * What a document makes of answers: customised gateway responses, HTTP integrations with integration
 * responses, MOCK answers by pattern, request validators, binary bodies.
 */
import assert from 'node:assert/strict';
import { backend, closedPort, never } from '../lib/backend.mjs';
import { eventually, refusal, start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    api,
    http,
    lambda,
    mock,
    open,
    returning,
    saying,
    statement,
    throwing,
    token,
} from '../lib/template.mjs';

/** HTTP, not a proxy. */
const plain = (uri, { responses = { default: { statusCode: '200' } }, ...more } = {}) => ({
    ...http(uri, more),
    type: 'http',
    responses,
    ...more.integration,
});

const header = (name) => `method.response.header.${name}`;

/** Declared in the operation's responses, as API Gateway wants it. */
const declaring = (status, names, integration) =>
    saying(
        {
            responses: {
                [status]: {
                    description: 'x',
                    headers: Object.fromEntries(
                        names.map((name) => [name, { schema: { type: 'string' } }]),
                    ),
                },
            },
        },
        integration,
    );

const denying = (context) =>
    returning({
        principalId: 'ana',
        policyDocument: { Version: '2012-10-17', Statement: [statement('Deny', '*')] },
        context,
    });

test('customised gateway responses', async (t) => {
    const down = await closedPort();
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            variables: { color: 'blue' },
            routes: {
                'GET /guarded/{id}': mock(),
                'GET /down': open(http(`http://127.0.0.1:${down}/`)),
            },
            extra: {
                'x-amazon-apigateway-gateway-responses': {
                    DEFAULT_4XX: {
                        responseParameters: {
                            'gatewayresponse.header.Access-Control-Allow-Origin': "'*'",
                            'gatewayresponse.header.X-Stage': 'stageVariables.color',
                            'gatewayresponse.header.X-Echo': 'method.request.querystring.echo',
                        },
                    },
                    ACCESS_DENIED: {
                        statusCode: 404,
                        responseParameters: {
                            'gatewayresponse.header.X-Reason': 'context.authorizer.reason',
                        },
                        responseTemplates: {
                            'application/json':
                                '{"why": "$context.authorizer.reason", "id": ' +
                                '"$method.request.path.id", "message": ' +
                                '$context.error.messageString, "type": ' +
                                '"$context.error.responseType", "none": "$context.nothing"}',
                        },
                    },
                    DEFAULT_5XX: {
                        statusCode: '503',
                        responseTemplates: { 'text/html': '<p>$context.error.message</p>' },
                    },
                    AUTHORIZER_FAILURE: {
                        responseTemplates: { 'application/json': '{"failed": true}' },
                    },
                },
            },
        }),
    );

    await t.test('CORS headers stand on a 401, whose body is the default', async () => {
        const answer = await gw.get('/guarded/1');
        assert.equal(answer.status, 401);
        assert.equal(answer.body, '{"message":"Unauthorized"}');
        assert.equal(answer.headers['access-control-allow-origin'], '*');
        assert.equal(answer.headers['x-stage'], 'blue');
        assert.equal(answer.headers['x-amzn-errortype'], 'UnauthorizedException');
        assert.equal(answer.headers['x-echo'], undefined);
    });

    await t.test('and on a 403 of an unknown route', async () => {
        const answer = await gw.get('/nowhere?echo=hi');
        assert.equal(answer.status, 403);
        assert.equal(answer.headers['access-control-allow-origin'], '*');
        assert.equal(answer.headers['x-echo'], 'hi');
    });

    await t.test('a value never writes a header of its own', async () => {
        const answer = await gw.get('/nowhere?echo=a%0D%0ASet-Cookie:%20stolen=1');
        assert.equal(answer.status, 500);
        assert.equal(answer.headers['set-cookie'], undefined);
        assert.equal(answer.headers['x-echo'], undefined);
        assert.equal(answer.body, '{"message": "Internal server error"}');
    });

    await t.test('a denial may quote the authorizer; the client stays inside its string', async () => {
        const answer = await gw.get('/guarded/a%22b', { token: denying({ reason: 'on leave' }) });
        assert.equal(answer.status, 404);
        assert.equal(answer.headers['x-reason'], 'on leave');
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
        assert.deepEqual(answer.json, {
            why: 'on leave',
            id: 'a%22b',
            message: 'User is not authorized to access this resource with an explicit deny',
            type: 'ACCESS_DENIED',
            none: '',
        });
    });

    await t.test('a family with a status gives it to all of its types', async () => {
        const answer = await gw.get('/down');
        assert.equal(answer.status, 503);
        assert.equal(answer.body, '<p>Internal server error</p>');
        assert.equal(answer.headers['content-type'], 'text/html');
    });

    await t.test('a failed authorizer function answers as AUTHORIZER_FAILURE', async () => {
        const failed = await gw.get('/guarded/1', { token: throwing('boom') });
        assert.deepEqual([failed.status, failed.body], [500, '{"failed": true}']);
        const odd = await gw.get('/guarded/1', { token: returning({ no: 'policy' }) });
        assert.deepEqual([odd.status, odd.body], [503, '<p></p>']);
    });
});

test('HTTP integrations map both ways', async (t) => {
    const saw = await backend(t, (request) => {
        const status = Number(request.target.match(/status\/(\d+)/)?.[1] ?? 200);
        return {
            status,
            headers: {
                'Content-Type': 'application/json',
                'Set-Cookie': ['a=1; Path=/', 'b=2'],
                'X-Secret': 'internal',
                'X-Total': '7',
            },
            body: JSON.stringify({ items: [{ name: 'first' }], evil: 'a\r\nX-Evil: 1' }),
        };
    });
    const big = await backend(t, () => ({ body: 'x'.repeat(10 * 1024 * 1024 + 1) }));
    const responses = {
        default: {
            statusCode: '200',
            responseParameters: {
                [header('X-Total')]: 'integration.response.header.X-Total',
                [header('Set-Cookie')]: 'integration.response.multivalueheader.Set-Cookie',
                [header('X-First')]: 'integration.response.body.items[0].name',
                [header('X-User')]: 'context.authorizer.principalId',
                [header('X-Static')]: "'fixed'",
                [header('X-None')]: 'integration.response.header.X-None',
            },
        },
        '4\\d{2}': {
            statusCode: '404',
            responseTemplates: { 'application/json': '{"message": "not here"}' },
        },
        503: { statusCode: '500' },
    };
    const names = ['X-Total', 'Set-Cookie', 'X-First', 'X-User', 'X-Static', 'X-None'];
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: {
                'GET /status/{code}': declaring(
                    200,
                    names,
                    plain(`${saw.url}/status/{code}`, { responses }),
                ),
                'POST /mapped': plain(`${saw.url}/mapped?own=1`, {
                    map: {
                        'header.X-User': 'context.authorizer.principalId',
                        'header.X-Org': 'context.authorizer.org',
                        'header.X-Id': 'method.request.body.pet.id',
                        'querystring.q': 'method.request.querystring.search',
                    },
                }),
                'POST /literal': plain(`${saw.url}/literal`, {
                    integration: {
                        requestTemplates: { 'application/json': '{"fixed": true}' },
                        passthroughBehavior: 'never',
                    },
                }),
                'GET /query/{id}': plain(`${saw.url}/q?id={id}&fixed=1`),
                'GET /reserved': plain(`${saw.url}/reserved`, {
                    map: { 'header.Content-Length': "'3'" },
                }),
                'GET /evil': declaring(
                    200,
                    ['X-E'],
                    plain(`${saw.url}/evil`, {
                        responses: {
                            default: {
                                statusCode: '200',
                                responseParameters: {
                                    [header('X-E')]: 'integration.response.body.evil',
                                },
                            },
                        },
                    }),
                ),
                'GET /only2xx': plain(`${saw.url}/status/302`, {
                    responses: { '2..': { statusCode: '200' } },
                }),
                'GET /big': plain(`${big.url}/`),
            },
        }),
    );
    const ana = returning({
        principalId: 'ana',
        policyDocument: { Version: '2012-10-17', Statement: [statement('Allow', '*')] },
    });
    const get = (target, more) => gw.get(target, { token: ana, ...more });

    await t.test('only what is mapped comes back, cookies in lines of their own', async () => {
        const answer = await get('/status/200', { headers: { Accept: 'text/x', 'X-Own': 'mine' } });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['x-total'], '7');
        assert.deepEqual(answer.headers['set-cookie'], ['a=1; Path=/', 'b=2']);
        assert.equal(answer.headers['x-first'], 'first');
        assert.equal(answer.headers['x-user'], 'ana');
        assert.equal(answer.headers['x-static'], 'fixed');
        assert.equal(answer.headers['x-none'], undefined);
        assert.equal(answer.headers['x-secret'], undefined);
        assert.match(answer.headers['x-amzn-trace-id'], /^Root=1-/);
        assert.equal(answer.json.items[0].name, 'first');
        const sent = (name) => saw.last.header(name);
        assert.equal(sent('accept'), 'application/json');
        assert.equal(sent('x-own'), undefined);
        assert.equal(sent('authorization'), undefined);
        assert.match(sent('user-agent'), /^AmazonAPIGateway_/);
    });

    await t.test('the pattern that is the whole status chooses', async () => {
        const gone = await get('/status/410');
        assert.deepEqual([gone.status, gone.body], [404, '{"message": "not here"}']);
        assert.equal((await get('/status/503')).status, 500);
        assert.equal((await get('/status/201')).status, 200);
        const none = await get('/only2xx');
        assert.deepEqual([none.status, none.body], [500, '{"message": "Internal server error"}']);
    });

    await t.test('a client can say nothing that is mapped, and nothing else', async () => {
        await gw.request('POST', '/mapped?search=a%26b&other=1', {
            token: ana,
            headers: {
                'Content-Type': 'application/json',
                'X-User': 'root',
                'X-Org': 'evil',
                'x-user': 'root',
            },
            body: '{"pet": {"id": 7}}',
        });
        const header = (name) => saw.last.header(name);
        assert.equal(header('x-user'), 'ana');
        assert.equal(header('x-org'), undefined);
        assert.equal(header('x-id'), '7');
        assert.equal(header('content-type'), 'application/json');
        assert.equal(saw.last.target, '/mapped?own=1&q=a%26b');
        assert.equal(saw.last.body.toString(), '{"pet": {"id": 7}}');
    });

    await t.test('a literal template is the body; other types are 415', async () => {
        const post = (type) =>
            gw.request('POST', '/literal', {
                token: ana,
                headers: { 'Content-Type': type },
                body: 'mine',
            });
        assert.equal((await post('application/json; charset=utf-8')).status, 200);
        assert.equal(saw.last.body.toString(), '{"fixed": true}');
        const before = saw.requests.length;
        const refused = await post('text/plain');
        assert.equal(refused.status, 415);
        assert.equal(refused.body, '{"message":"Unsupported Media Type"}');
        assert.equal(saw.requests.length, before);
    });

    await t.test('a variable in the query of a uri stays one value', async () => {
        await get('/query/7&admin=1;x=%26%2B%20');
        assert.equal(saw.last.target, '/q?id=7%26admin%3D1%3Bx%3D%26%2B%20&fixed=1');
    });

    await t.test('what a mapping may not set, or no header can hold, is 500', async () => {
        assert.equal((await get('/reserved')).status, 500);
        const evil = await get('/evil');
        assert.equal(evil.status, 500);
        assert.equal(evil.headers['x-evil'], undefined);
    });

    await t.test('an answer above 10 MiB is 500', async () => {
        const answer = await get('/big');
        assert.deepEqual([answer.status, answer.body], [500, '{"message": "Internal server error"}']);
    });

    await t.test('without the authorizer nothing reaches the backend', async () => {
        const before = saw.requests.length;
        assert.equal((await gw.get('/status/200')).status, 401);
        assert.equal(saw.requests.length, before);
    });
});

test('HTTP integrations whose backend fails', async (t) => {
    const hanging = await backend(t, never);
    const broken = await backend(t, (request, socket) => socket.destroy());
    const half = await backend(t, {
        raw: 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf',
        close: true,
    });
    const nonsense = await backend(t, { raw: 'nonsense\r\n\r\n', close: true });
    const down = await closedPort();
    const gw = await start(
        t,
        api({
            routes: {
                'ANY /late': plain(`${hanging.url}/`, { timeout: 100 }),
                'ANY /hanging': plain(`${hanging.url}/`),
                'POST /broken': plain(`${broken.url}/`),
                'POST /half': plain(`${half.url}/`),
                'GET /nonsense': plain(`${nonsense.url}/`),
                'GET /down': plain(`http://127.0.0.1:${down}/`),
            },
        }),
    );
    const of = async (method, target, body) => (await gw.request(method, target, { body })).status;
    assert.equal(await of('POST', '/late', 'x'), 504);
    assert.equal(await of('POST', '/broken', 'x'), 504);
    assert.equal(await of('POST', '/half', 'x'), 504); // a half answer is never sent as a whole one
    assert.equal(await of('GET', '/nonsense'), 502);
    assert.equal(await of('GET', '/down'), 500);

    await t.test('a client that goes takes the call to the backend with it', async () => {
        const before = hanging.connections.length;
        const wire = gw.wire();
        await wire.write(`GET ${gw.stagePath}/hanging HTTP/1.1\r\nHost: a\r\n\r\n`);
        await eventually('the backend is called', () => hanging.connections.length > before);
        wire.destroy();
        await eventually('the call ends', () => hanging.connections.at(-1).ended);
    });
});

test('MOCK answers by content type, pattern and what the client accepts', async (t) => {
    const gw = await start(
        t,
        api({
            variables: { color: 'blue' },
            routes: {
                'POST /x': {
                    type: 'mock',
                    requestTemplates: {
                        'application/json': '{"statusCode": 200}',
                        'text/xml': '{"statusCode": 422}',
                    },
                    passthroughBehavior: 'never',
                    responses: {
                        default: {
                            statusCode: '200',
                            responseParameters: {
                                [header('X-Color')]: 'stageVariables.color',
                                [header('X-Path')]: 'context.resourcePath',
                            },
                            responseTemplates: {
                                'text/html': '<b>fine</b>',
                                'application/json': '{"fine": true}',
                            },
                        },
                        '4..': { statusCode: '400' },
                    },
                },
                'POST /passing': mock(),
            },
        }),
    );
    const post = (type, accept, path = '/x') =>
        gw.request('POST', path, { headers: { 'Content-Type': type, Accept: accept }, body: 'x' });
    const json = await post('application/json', '*/*');
    assert.deepEqual([json.status, json.body], [200, '{"fine": true}']);
    assert.equal(json.headers['x-color'], 'blue');
    assert.equal(json.headers['x-path'], '/x');
    const html = await post('application/json', 'text/html,*/*');
    assert.deepEqual([html.body, html.headers['content-type']], ['<b>fine</b>', 'text/html']);
    assert.equal((await post('text/xml', '*/*')).status, 400);
    assert.equal((await post('text/csv', '*/*')).status, 415);
    assert.equal((await post('text/csv', '*/*', '/passing')).status, 500);
});

test('request validators', async (t) => {
    const parameters = [
        { name: 'qs1', in: 'query', required: true },
        { name: 'x-header-param', in: 'header', required: true },
        { name: 'free', in: 'query', required: false },
        { name: 'id', in: 'path', required: true },
    ];
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: {
                'GET /checked/{id}': open(
                    saying({ parameters, 'x-amazon-apigateway-request-validator': 'all' }, mock()),
                ),
                'GET /free/{id}': open(saying({ parameters }, mock())),
                'GET /guarded/{id}': saying(
                    { parameters, 'x-amazon-apigateway-request-validator': 'all' },
                    mock(),
                ),
            },
            extra: {
                'x-amazon-apigateway-request-validators': {
                    all: { validateRequestParameters: true, validateRequestBody: false },
                },
                'x-amazon-apigateway-gateway-responses': {
                    BAD_REQUEST_PARAMETERS: {
                        responseParameters: {
                            'gatewayresponse.header.X-Why': 'context.error.validationErrorString',
                        },
                    },
                },
            },
        }),
    );
    const missing = await gw.get('/checked/1');
    assert.equal(missing.status, 400);
    const text = 'Missing required request parameters: [x-header-param, qs1]';
    assert.deepEqual(missing.json, { message: text });
    assert.equal(missing.headers['x-amzn-errortype'], 'BadRequestException');
    assert.equal(missing.headers['x-why'], text);
    const empty = await gw.get('/checked/1?qs1=', { headers: { 'X-Header-Param': 'a' } });
    assert.deepEqual(empty.json, { message: 'Missing required request parameters: [qs1]' });
    const whole = await gw.get('/checked/1?qs1=1', { headers: { 'X-Header-Param': 'a' } });
    assert.equal(whole.status, 200);
    assert.equal((await gw.get('/free/1')).status, 200);
    assert.equal((await gw.get('/guarded/1')).status, 401); // the authorizer comes first
});

test('a body that must match a schema is refused by name', async (t) => {
    const { transcript } = await refusal(
        t,
        api({
            routes: {
                'POST /x': saying(
                    {
                        requestBody: {
                            content: {
                                'application/json': { schema: { $ref: '#/components/schemas/Pet' } },
                            },
                        },
                        'x-amazon-apigateway-request-validator': 'body',
                    },
                    mock(),
                ),
            },
            extra: {
                components: { schemas: { Pet: { type: 'object', required: ['name'] } } },
                'x-amazon-apigateway-request-validators': { body: { validateRequestBody: true } },
            },
        }),
    );
    assert.match(transcript, /not validated against a schema \(model Pet\)/);
});

test('binary media types', async (t) => {
    const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff]);
    const gw = await start(
        t,
        api({
            routes: {
                'POST /echo': lambda(`async (event) => ({
                    headers: { 'X-Encoded': event.isBase64Encoded, 'Content-Type': 'text/x' },
                    body: event.body,
                })`),
                'GET /image': lambda(`async () => ({
                    headers: { 'Content-Type': 'image/png' },
                    isBase64Encoded: true,
                    body: '${bytes.toString('base64')}',
                })`),
                'GET /broken': lambda(`async () => ({ isBase64Encoded: true, body: '***' })`),
            },
            extra: { 'x-amazon-apigateway-binary-media-types': ['image/png'] },
        }),
    );
    const post = (type, body) =>
        gw.request('POST', '/echo', { headers: { 'Content-Type': type }, body });
    const image = await post('image/png', bytes);
    assert.deepEqual(
        [image.headers['x-encoded'], image.body],
        ['true', bytes.toString('base64')],
    );
    const text = await post('text/plain', 'plain');
    assert.deepEqual([text.headers['x-encoded'], text.body], ['false', 'plain']);
    assert.equal((await post('text/plain', bytes)).status, 415);
    const get = (target, accept) => gw.get(target, { headers: { Accept: accept } });
    assert.deepEqual((await get('/image', 'image/png,*/*')).bytes, bytes);
    assert.equal((await get('/image', '*/*,image/png')).body, bytes.toString('base64'));
    assert.equal((await get('/broken', 'image/png')).status, 502);
    assert.equal((await get('/broken', 'text/html')).body, '***');
});

test('one unknown type of gateway response refuses the document', async (t) => {
    const { transcript } = await refusal(
        t,
        api({
            routes: { 'GET /x': mock() },
            extra: { 'x-amazon-apigateway-gateway-responses': { TEAPOT: { statusCode: 418 } } },
        }),
    );
    assert.match(transcript, /TEAPOT/);
    const velocity = await refusal(
        t,
        api({
            routes: { 'GET /x': mock() },
            extra: {
                'x-amazon-apigateway-gateway-responses': {
                    UNAUTHORIZED: { responseTemplates: { 'application/json': '$input.body' } },
                },
            },
        }),
    );
    assert.match(velocity.transcript, /\$input\.body is Velocity/);
});
