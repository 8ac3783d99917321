/* SPDX-License-Identifier: Apache-2.0
 * HTTP_PROXY of HTTP APIs: parameter mapping into requests and answers, spoofing by the client
 * (trap 52), and every way in which a backend can fail.
 */
import assert from 'node:assert/strict';
import { backend, closedPort } from '../lib/backend.mjs';
import { refusal, start, test } from '../lib/daemon.mjs';
import { behind as guardedBy, guard, httpApi, open, proxies } from '../lib/http_api.mjs';

const GUARD = guard(
    `async (event) => ({
        isAuthorized: true,
        context: event.headers.authorization === 'nobody' ? {} : { sub: 'ana', n: 3 } })`,
    { simple: true },
);

test('parameter mapping', async (t) => {
    const behind = await backend(t, (request) => {
        const status = Number(request.target.match(/status=(\d+)/)?.[1] ?? 200);
        const headers = { 'X-From': 'backend', 'X-Gone': 'x', Server: 'secret' };
        const body = JSON.stringify({ error: { code: 'E7' }, pad: request.target.match(/big/) ? 'y'.repeat(300_000) : '' });
        return { status, headers, body };
    });
    const request = {
        'append:header.X-Request': '$context.requestId',
        'overwrite:header.X-User': '$context.authorizer.sub',
        'append:header.X-Level': 'level-${context.authorizer.n}',
        'overwrite:header.X-Renamed': '$request.header.X-Old',
        'remove:header.X-Old': "''",
        'append:querystring.route': '$context.routeKey',
        'remove:querystring.secret': "''",
        'overwrite:querystring.q': 'fixed value',
        'overwrite:path': '/base/${request.path.id}/${stageVariables.v}',
    };
    const answers = {
        404: {
            'overwrite:statuscode': '200',
            'append:header.x-code': '$response.body.error.code',
            'overwrite:header.x-from': 'gateway ${response.header.x-from}',
            'remove:header.x-gone': "''",
        },
        500: { 'append:header.x-id': '$context.requestId', 'overwrite:statuscode': '403' },
    };
    const gw = await start(
        t,
        httpApi({
            variables: { v: 'v7' },
            authorizers: { Guard: GUARD },
            routes: {
                'GET /map/{id}': guardedBy('Guard', proxies(`${behind.url}/x`, { request })),
                'POST /body': open(
                    proxies(`${behind.url}/b`, {
                        request: {
                            'append:header.X-Name': '$request.body.user.names[1]',
                            'append:header.X-Whole': '$request.body.user',
                        },
                    }),
                ),
                'GET /answers': open(proxies(`${behind.url}/a`, { answers })),
                'ANY /plain/{proxy+}': open(proxies(`${behind.url}/p/{proxy}`)),
                'GET /split': open(
                    proxies(behind.url, {
                        request: { 'append:header.X-Q': '$request.querystring.q' },
                    }),
                ),
                'GET /home/{proxy+}': guardedBy(
                    'Guard',
                    proxies(`${behind.url}/{proxy}`, {
                        request: { 'overwrite:path': '$context.authorizer.sub' },
                    }),
                ),
                'GET /of': guardedBy(
                    'Guard',
                    proxies(behind.url, {
                        request: { 'overwrite:path': '/users/${context.authorizer.sub}' },
                    }),
                ),
                'GET /path': open(
                    proxies(behind.url, {
                        request: { 'overwrite:path': '/u/${request.querystring.q}/x' },
                    }),
                ),
            },
        }),
    );
    const sent = (name) => {
        const all = behind.last.headers ?? [];
        const pairs = Array.isArray(all) ? all : Object.entries(all);
        return pairs
            .filter(([key]) => key.toLowerCase() === name.toLowerCase())
            .flatMap(([, value]) => value);
    };

    await t.test('headers, query and path are as mapped', async () => {
        const answer = await gw.get('/map/a%20b?q=1&q=2&secret=s&keep=k', {
            token: 'ana',
            headers: { 'X-Old': 'old' },
        });
        assert.equal(answer.status, 200);
        assert.equal(
            behind.last.target,
            '/base/a%20b/v7?keep=k&route=GET%20%2Fmap%2F%7Bid%7D&q=fixed%20value',
        );
        assert.deepEqual(sent('X-Request'), [answer.headers['apigw-requestid']]);
        assert.deepEqual(sent('X-User'), ['ana']);
        assert.deepEqual(sent('X-Level'), ['level-3']);
        assert.deepEqual(sent('X-Renamed'), ['old']);
        assert.deepEqual(sent('X-Old'), []);
        assert.deepEqual(sent('Authorization'), ['ana']);
    });

    await t.test('a client cannot say what the authorizer says', async () => {
        const headers = { 'X-User': 'root', 'x-level': 'level-9' };
        await gw.get('/map/1', { token: 'ana', headers });
        assert.deepEqual(sent('X-User'), ['ana']);
        assert.deepEqual(sent('X-Level'), ['level-3']);
        await gw.get('/map/1', { token: 'nobody', headers });
        assert.deepEqual(sent('X-User'), []);
        assert.deepEqual(sent('X-Level'), ['level-']);
    });

    await t.test('a path that the authorizer says is not the client\'s when it says none', async () => {
        await gw.get('/home/root', { token: 'ana' });
        assert.equal(behind.last.target, '/ana');
        await gw.get('/of', { token: 'ana' });
        assert.equal(behind.last.target, '/users/ana');
        behind.take();
        for (const path of ['/home/root', '/of']) {
            assert.equal((await gw.get(path, { token: 'nobody' })).status, 500, path);
        }
        assert.equal(behind.take().length, 0);
    });

    await t.test('a JSONPath looks into the body, which goes on whole', async () => {
        const body = JSON.stringify({ user: { names: ['a', 'žofie'] } });
        await gw.request('POST', '/body', { body });
        assert.equal(behind.last.text, body);
        assert.deepEqual(sent('X-Whole'), [
            Buffer.from(JSON.stringify({ names: ['a', 'žofie'] })).toString('latin1'),
        ]);
        const large = JSON.stringify({ user: { names: ['a', 'b'] }, pad: 'x'.repeat(200_000) });
        await gw.request('POST', '/body', { body: large });
        assert.equal(behind.last.text.length, large.length);
        assert.deepEqual(sent('X-Name'), []);
        await gw.request('POST', '/body');
        assert.deepEqual(sent('X-Name'), []);
    });

    await t.test('answers are mapped by their status', async () => {
        const found = await gw.get('/answers?status=404');
        assert.equal(found.status, 200);
        assert.equal(found.headers['x-code'], 'E7');
        assert.equal(found.headers['x-from'], 'gateway backend');
        assert.equal(found.headers['x-gone'], undefined);
        assert.equal(found.json.error.code, 'E7');
        const big = await gw.get('/answers?status=404&big');
        assert.equal(big.status, 200);
        assert.equal(big.headers['x-code'], undefined);
        assert.equal(big.json.pad.length, 300_000);
        const refused = await gw.get('/answers?status=500');
        assert.equal(refused.status, 403);
        assert.equal(refused.headers['x-id'], refused.headers['apigw-requestid']);
        assert.equal(refused.headers['x-gone'], 'x');
        assert.equal((await gw.get('/answers')).headers['x-from'], 'backend');
    });

    await t.test('without mappings a request goes on as it came', async () => {
        for (const method of ['GET', 'POST', 'OPTIONS', 'DELETE']) {
            const body = method === 'GET' ? undefined : `of ${method}`;
            const answer = await gw.request(method, '/plain/a%20b/c?q=1&q=2&e', { body });
            assert.equal(answer.status, 200);
            assert.equal(behind.last.method, method);
            assert.equal(behind.last.target, '/p/a%20b/c?q=1&q=2&e');
            assert.equal(behind.last.text, body ?? '');
        }
    });

    await t.test('no value becomes another header or path', async () => {
        behind.take();
        for (const target of [
            '/split?q=a%0D%0AX-Evil:%201',
            '/split?q=a%00b',
            '/path?q=..',
            '/path?q=a/../b',
            '/path?q=',
        ]) {
            const answer = await gw.get(target);
            assert.equal(answer.status, 500, target);
            assert.equal(answer.body, '{"message":"Internal Server Error"}');
        }
        assert.equal(behind.take().length, 0);
        assert.equal((await gw.get('/path?q=a%20b')).status, 200);
        assert.equal(behind.last.target, '/u/a%20b/x?q=a%20b');
    });
});

test('what goes wrong behind an HTTP API is 503', async (t) => {
    const hangs = await backend(t, () => new Promise(() => {}));
    const breaks = await backend(t, { raw: 'HTTP/1.1 200 OK\r\nContent-Le', close: true });
    const nonsense = await backend(t, { raw: 'what?\r\n\r\n', close: true });
    const gw = await start(
        t,
        httpApi({
            routes: {
                'GET /hangs': proxies(hangs.url, { timeout: 300 }),
                'GET /breaks': proxies(breaks.url),
                'GET /nonsense': proxies(nonsense.url),
                'GET /closed': proxies(`http://127.0.0.1:${await closedPort()}`),
            },
        }),
    );
    for (const path of ['/hangs', '/breaks', '/nonsense', '/closed']) {
        const answer = await gw.get(path);
        assert.equal(answer.status, 503, path);
        assert.equal(answer.body, '{"message":"Service Unavailable"}');
        assert.match(answer.headers['apigw-requestid'], /=$/);
    }
});

test('mappings that cannot be are refused at load, by name', async (t) => {
    const behind = 'http://127.0.0.1:9';
    for (const [options, says] of [
        [{ request: { 'overwrite:header.Authorization': 'x' } }, /Authorization is reserved/],
        [{ request: { 'append:header.x': '$request.cookie.a' } }, /no source/],
        [{ request: { 'append:header.x': '$request.body..a' } }, /no source/],
        [{ answers: { 200: { 'overwrite:statuscode': '99' } } }, /200 to 599/],
        [{ timeout: 30_001 }, /50 to 30000/],
    ]) {
        const routes = { 'GET /x': proxies(behind, options) };
        const { code, transcript } = await refusal(t, httpApi({ routes }));
        assert.notEqual(code, 0, JSON.stringify(options));
        assert.match(transcript, says);
        assert.match(transcript, /template\.yaml:\d+:\d+/);
    }
});
