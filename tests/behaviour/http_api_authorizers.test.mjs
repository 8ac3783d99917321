/* SPDX-License-Identifier: Apache-2.0
 * Lambda authorizers of HTTP APIs: what they are told, when they are asked, what they may answer,
 * what the cache takes for the same, and where their context goes.
 */
import assert from 'node:assert/strict';
import { refusal, start, test } from '../lib/daemon.mjs';
import { behind, calls, guard, httpApi } from '../lib/http_api.mjs';

const SHOW = calls(`async (event) => event.requestContext.authorizer ?? null`);
const SHOW_1 = calls(
    `async (event) => ({
        statusCode: 200, body: JSON.stringify(event.requestContext.authorizer ?? null) })`,
    { version: '1.0' },
);
/* Does as the header "order" says, in JSON; $arn stands for the ARN of the event. */
const OBEYS = `async (event) => {
    const order = JSON.parse(event.headers.order ?? event.headers.Order);
    if (order.throws) throw new Error(order.throws);
    if (order.sleeps) await sleep(order.sleeps);
    return JSON.parse(JSON.stringify(order.returns)
        .replaceAll('$arn', event.routeArn ?? event.methodArn));
}`;
const ORDER = ['$request.header.order'];

const UNAUTHORIZED = [401, '{"message":"Unauthorized"}'];
const FORBIDDEN = [403, '{"message":"Forbidden"}'];
const FAILED = [500, '{"message":"Internal Server Error"}'];
const policy = (Effect, Resource, more) => ({
    principalId: 'ana',
    policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Action: 'execute-api:Invoke', Effect, Resource }],
    },
    ...more,
});

test('authorizers of HTTP APIs', async (t) => {
    const gw = await start(
        t,
        httpApi({
            variables: { backend: 'v7' },
            authorizers: {
                Simple: guard(OBEYS, { simple: true, sources: ORDER, timeout: 30 }),
                Policy: guard(OBEYS, { sources: ORDER }),
                One: guard(OBEYS, { version: '1.0', sources: ORDER }),
                Cached: guard(OBEYS, { simple: true, sources: ORDER, ttl: 300 }),
                CachedPolicy: guard(OBEYS, { sources: ORDER, ttl: 300 }),
                CachedRoute: guard(OBEYS, {
                    simple: true,
                    sources: [...ORDER, '$context.routeKey'],
                    ttl: 300,
                }),
                Always: guard(`async () => ({ isAuthorized: true })`, {
                    simple: true,
                    sources: [],
                }),
                Sources: guard(`async () => ({ isAuthorized: true })`, {
                    simple: true,
                    sources: [
                        '$request.header.X-Id',
                        '$request.querystring.q',
                        '$stageVariables.backend',
                        '$context.httpMethod',
                    ],
                }),
            },
            routes: {
                'GET /simple/{id}': behind('Simple', SHOW),
                'POST /simple/{id}': behind('Simple', SHOW),
                'GET /simple1': behind('Simple', SHOW_1),
                'GET /policy': behind('Policy', SHOW),
                'GET /policy/{id}': behind('Policy', SHOW),
                'GET /one': behind('One', SHOW_1),
                'GET /one2': behind('One', SHOW),
                'GET /cached/a': behind('Cached', SHOW),
                'GET /cached/b': behind('Cached', SHOW),
                'GET /cachedpolicy/{x}': behind('CachedPolicy', SHOW),
                'GET /cachedroute/a': behind('CachedRoute', SHOW),
                'GET /cachedroute/b': behind('CachedRoute', SHOW),
                'GET /always': behind('Always', SHOW),
                'GET /sources': behind('Sources', SHOW),
                $default: behind('Simple', SHOW),
            },
        }),
    );
    const ask = (path, order, options = {}) =>
        gw.get(path, { headers: { Order: JSON.stringify(order), ...options.headers } });
    const asserts = async (path, order, [status, body], why) => {
        const answer = await ask(path, order);
        assert.equal(answer.status, status, `${why ?? JSON.stringify(order)}: ${answer.body}`);
        assert.equal(answer.body, body);
        assert.match(answer.headers['apigw-requestid'], /=$/);
        assert.equal(answer.headers['x-amzn-errortype'], undefined);
    };

    await t.test('the event of format 2.0: everything but the body', async () => {
        const headers = { Order: '{"returns":{"isAuthorized":true}}', Cookie: 'a=1' };
        await gw.request('POST', '/simple/42?expand=x&expand=y', { headers, body: 'secret' });
        const event = gw.calls('Simple').at(-1);
        const { headers: seen, requestContext, ...rest } = event;
        assert.match(
            rest.routeArn,
            /^arn:aws:execute-api:us-east-1:123456789012:\w{10}\/\$default\/POST\/simple\/42$/,
        );
        delete rest.routeArn;
        assert.deepEqual(rest, {
            version: '2.0',
            type: 'REQUEST',
            identitySource: [headers.Order],
            routeKey: 'POST /simple/{id}',
            rawPath: '/simple/42',
            rawQueryString: 'expand=x&expand=y',
            cookies: ['a=1'],
            queryStringParameters: { expand: 'x,y' },
            pathParameters: { id: '42' },
            stageVariables: { backend: 'v7' },
        });
        assert.equal(seen.order, headers.Order);
        assert.equal(requestContext.http.method, 'POST');
        assert.ok(!('authorizer' in requestContext) && !('body' in event));
    });

    await t.test('the event of format 1.0', async () => {
        const order = { returns: policy('Allow', '*') };
        assert.equal((await ask('/one?q=1&q=2', order)).status, 200);
        const event = gw.calls('One').at(-1);
        assert.match(event.methodArn, /\/\$default\/GET\/one$/);
        assert.equal(event.version, '1.0');
        assert.equal(event.type, 'REQUEST');
        assert.equal(event.identitySource, JSON.stringify(order));
        assert.equal(event.authorizationToken, JSON.stringify(order));
        assert.equal(event.resource, '/one');
        assert.equal(event.httpMethod, 'GET');
        assert.deepEqual(event.queryStringParameters, { q: '2' });
        assert.deepEqual(event.pathParameters, {});
        assert.equal(event.requestContext.resourcePath, '/one');
        assert.ok(!('body' in event) && !('routeArn' in event) && !('rawPath' in event));
    });

    await t.test('simple answers (traps 22, 23, 26)', async () => {
        const returns = (value) => ({ returns: value });
        assert.equal((await ask('/simple/1', returns({ isAuthorized: true }))).status, 200);
        await asserts('/simple/1', returns({ isAuthorized: false }), FORBIDDEN);
        await asserts('/simple/1', returns({ isAuthorized: 'true' }), FAILED);
        await asserts('/simple/1', returns({ isAuthorized: 1 }), FAILED);
        await asserts('/simple/1', returns({}), FAILED);
        await asserts('/simple/1', returns(null), FAILED);
        await asserts('/simple/1', returns('yes'), FAILED);
        await asserts('/simple/1', returns(policy('Allow', '*')), FAILED);
        await asserts('/nowhere', returns({ isAuthorized: false }), FORBIDDEN);
    });

    await t.test('policies', async () => {
        const allows = { returns: policy('Allow', '$arn') };
        assert.equal((await ask('/policy', allows)).status, 200);
        await asserts('/policy', { returns: policy('Deny', '*') }, FORBIDDEN);
        await asserts('/policy', { returns: policy('Allow', 'arn:aws:x') }, FORBIDDEN);
        await asserts('/policy', { returns: { isAuthorized: true } }, FAILED);
        const { principalId, ...nobody } = policy('Allow', '*');
        assert.equal(principalId, 'ana');
        assert.equal((await ask('/policy', { returns: nobody })).status, 200);
        await asserts('/one', { returns: nobody }, FAILED, '1.0 needs a principalId');
    });

    await t.test('errors of the function', async () => {
        await asserts('/simple/1', { throws: 'Unauthorized' }, UNAUTHORIZED);
        await asserts('/simple/1', { throws: 'unauthorized' }, FAILED);
        await asserts('/simple/1', { throws: 'secret' }, FAILED);
        await asserts('/simple/1', { returns: { errorMessage: 'Unauthorized' } }, UNAUTHORIZED);
    });

    await t.test('it has ten seconds', { timeout: 60_000 }, async () => {
        const began = Date.now();
        await asserts('/simple/1', { sleeps: 25_000, returns: {} }, FAILED);
        const took = Date.now() - began;
        assert.ok(took > 9000 && took < 20_000, `${took} ms`);
    });

    await t.test('a listed source that is missing is 401, and nothing is called', async () => {
        const before = gw.calls('Sources').length;
        const good = { 'X-Id': 'me' };
        for (const [path, headers] of [
            ['/sources?q=1', {}],
            ['/sources', good],
            ['/sources?q=', good],
            ['/sources?Q=1', good],
            ['/sources?q=1&q=2', good],
            ['/sources?q=1', { 'X-Id': ['a', 'b'] }],
        ]) {
            const answer = await gw.get(path, { headers });
            assert.equal(answer.status, 401, path);
        }
        assert.equal(gw.calls('Sources').length, before);
        assert.equal((await gw.get('/sources?q=1', { headers: { 'x-id': 'me' } })).status, 200);
        const { identitySource } = gw.calls('Sources').at(-1);
        assert.deepEqual(identitySource, ['me', '1', 'v7', 'GET']);
    });

    await t.test('without sources it is always asked', async () => {
        for (let i = 1; i <= 2; i++) {
            assert.equal((await gw.get('/always')).status, 200);
            assert.equal(gw.calls('Always').length, i);
        }
        assert.ok(!('identitySource' in gw.calls('Always')[0]));
    });

    await t.test('the context keeps its types in 2.0 and is flat text in 1.0 (trap 24)', async () => {
        const context = { s: 'x', n: 1, b: true, l: [1, 'a'], m: { k: null }, z: null };
        const order = { returns: { isAuthorized: true, context } };
        assert.deepEqual((await ask('/simple/1', order)).json, { lambda: context });
        const bare = { returns: { isAuthorized: true } };
        assert.deepEqual((await ask('/simple/1', bare)).json, { lambda: null });
        const flat = (await ask('/simple1', order)).json;
        assert.equal(typeof flat.integrationLatency, 'number');
        assert.deepEqual(
            { ...flat, integrationLatency: 0 },
            {
                principalId: '',
                integrationLatency: 0,
                s: 'x',
                n: '1',
                b: 'true',
                l: '[1,"a"]',
                m: '{"k":null}',
                z: null,
            },
        );
        const one = { returns: policy('Allow', '*', { context: { n: 1 } }) };
        assert.equal((await ask('/one', one)).json.principalId, 'ana');
        assert.deepEqual((await ask('/one', one)).json.n, '1');
        assert.deepEqual((await ask('/one2', one)).json, { lambda: { n: 1 } });
    });

    await t.test('a simple verdict is cached for all routes of its authorizer', async () => {
        const yes = { returns: { isAuthorized: true }, who: 1 };
        const no = { returns: { isAuthorized: false }, who: 2 };
        assert.equal((await ask('/cached/a', yes)).status, 200);
        assert.equal((await ask('/cached/b', yes)).status, 200);
        assert.equal((await ask('/cached/a', no)).status, 403);
        assert.equal((await ask('/cached/b', no)).status, 403);
        assert.equal(gw.calls('Cached').length, 2);
    });

    await t.test('unless the route is part of the identity', async () => {
        const yes = { returns: { isAuthorized: true } };
        for (const path of ['/cachedroute/a', '/cachedroute/b', '/cachedroute/a']) {
            assert.equal((await ask(path, yes)).status, 200);
        }
        assert.equal(gw.calls('CachedRoute').length, 2);
        assert.deepEqual(
            gw.calls('CachedRoute').map(({ identitySource }) => identitySource[1]),
            ['GET /cachedroute/a', 'GET /cachedroute/b'],
        );
    });

    await t.test('a cached policy is judged again for each route (trap 1)', async () => {
        const order = { returns: policy('Allow', '$arn') };
        assert.equal((await ask('/cachedpolicy/a', order)).status, 200);
        await asserts('/cachedpolicy/b', order, FORBIDDEN);
        assert.equal((await ask('/cachedpolicy/a', order)).status, 200);
        assert.equal(gw.calls('CachedPolicy').length, 1);
    });
});

test('what would leave a route open or guess is refused at load', async (t) => {
    const routes = { 'GET /x': SHOW };
    for (const [options, says] of [
        [{ simple: true, version: '1.0' }, /enableSimpleResponses/i],
        [{ sources: [], ttl: 60 }, /identity ?source/i],
        [{ version: '3.0' }, /1\.0.*2\.0/],
        [{ sources: ['$request.body.x'] }, /identity source/],
    ]) {
        const authorizers = { Guard: guard(OBEYS, options) };
        const { code, transcript } = await refusal(t, httpApi({ authorizers, routes }));
        assert.notEqual(code, 0, JSON.stringify(options));
        assert.match(transcript, says);
    }
});
