/* SPDX-License-Identifier: Apache-2.0
 * Throttles: which bucket answers, exactly how many requests get through, and what the refused are
 * told. Two workers, so that each count is one over both. Runs under ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { eventually, request, served, sleep, start, test } from '../lib/daemon.mjs';
import { calls, httpApi } from '../lib/http_api.mjs';
import { keyed, planned, value } from '../lib/plans.mjs';
import { api, mock } from '../lib/template.mjs';

const two = { args: ['--workers', '2', '--quiet'] };
const TOO_MANY = '{"message":"Too Many Requests"}';
const withKey = (name) => ({ headers: { 'x-api-key': value(name) } });

function isThrottled(answer, what) {
    assert.deepEqual([answer.status, answer.body], [429, TOO_MANY], what);
    assert.equal(answer.headers['x-amzn-errortype'], 'TooManyRequestsException', what);
    assert.match(answer.headers['x-amzn-requestid'], /^[0-9a-f-]{36}$/);
}

async function statuses(gw, n, target, options) {
    const answers = await Promise.all(Array.from({ length: n }, () => gw.get(target, options)));
    const count = (status) => answers.filter((a) => a.status === status).length;
    return { ok: count(200), throttled: count(429), answers };
}

const gold = (plan, more = {}) =>
    planned(api({ routes: { 'GET /x': keyed(mock()), 'GET /y': keyed(mock()) } }), {
        keys: { A: {}, B: {} },
        plans: { Gold: { keys: ['A', 'B'], ...plan } },
        ...more,
    });

test('a burst is exact over all workers, and each key has its own', async (t) => {
    const gw = await start(t, gold({ throttle: [0.001, 7] }), two);
    const { ok, throttled, answers } = await statuses(gw, 40, '/x', withKey('A'));
    assert.deepEqual([ok, throttled], [7, 33]);
    const refused = answers.find((a) => a.status === 429);
    isThrottled(refused);
    const seconds = Number(refused.headers['retry-after']);
    assert.ok(seconds > 900 && seconds <= 1000, `Retry-After: ${seconds}`);
    assert.equal((await statuses(gw, 20, '/x', withKey('B'))).ok, 7);
    assert.match(await gw.metrics(), /ropeline_throttled_total\{bucket="client"\} 46\b/);
    const { stdout } = await gw.ropeline('explain', '--last');
    assert.match(stdout, /throttle +- bucket +the plan's for this key \(rate 0.001, burst 7\)/);
});

test('rate 0 and burst 0 is always 429, without a time to come back (trap 32)', async (t) => {
    const gw = await start(t, gold({ throttle: [0, 0] }), two);
    for (let i = 0; i < 3; i++) {
        const answer = await gw.get('/x', withKey('A'));
        isThrottled(answer);
        assert.equal(answer.headers['retry-after'], undefined);
    }
});

test('the first empty bucket answers, and the others keep their tokens', async (t) => {
    const gw = await start(
        t,
        gold(
            { throttle: [0.001, 10], methods: { '/x/GET': [0.001, 3] } },
            { settings: { '/y': ['GET', 0.001, 4] } },
        ),
        two,
    );
    /* 3 tokens for x; what x was refused for took none of the client's 10. */
    assert.equal((await statuses(gw, 20, '/x', withKey('A'))).ok, 3);
    /* y has no bucket of the plan; the stage's gives 4 of the client's 7. */
    assert.equal((await statuses(gw, 20, '/y', withKey('A'))).ok, 4);
    /* The other client finds the stage's bucket empty and x's own for it full. */
    assert.equal((await statuses(gw, 5, '/y', withKey('B'))).ok, 0);
    assert.equal((await statuses(gw, 20, '/x', withKey('B'))).ok, 3);
    const text = await gw.metrics();
    for (const [bucket, n] of [
        ['client_method', 34],
        ['client', 0],
        ['stage', 21],
    ]) {
        assert.match(text, new RegExp(`throttled_total\\{bucket="${bucket}"\\} ${n}\\b`));
    }
});

test("a stage's setting for all is each method's own; a method may have another", async (t) => {
    const gw = await start(
        t,
        planned(api({ routes: { 'GET /x': mock(), 'GET /y': mock(), 'GET /z': mock() } }), {
            settings: { '/*': ['*', 0.001, 5], '/~1z': ['GET', 0.001, 2] },
        }),
        two,
    );
    assert.equal((await statuses(gw, 9, '/x')).ok, 5);
    assert.equal((await statuses(gw, 9, '/y')).ok, 5);
    assert.equal((await statuses(gw, 9, '/z')).ok, 2);
});

/* Asks as fast as it can on so many connections; how many were 200, and for how long. */
async function flood(gw, ms, target, options) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
    const began = performance.now();
    let ok = 0;
    const one = async () => {
        while (performance.now() - began < ms) {
            const { status } = await gw.get(target, { ...options, agent });
            ok += status === 200;
        }
    };
    await Promise.all(Array.from({ length: 20 }, one));
    agent.destroy();
    return { ok, seconds: (performance.now() - began) / 1000 };
}

test('100 a second are 100 a second', async (t) => {
    const gw = await start(t, gold({ throttle: [100, 10] }), two);
    const { ok, seconds } = await flood(gw, 3000, '/x', withKey('A'));
    assert.ok(ok <= 10 + 100 * seconds, `${ok} in ${seconds} s is too many`);
    assert.ok(ok >= 0.97 * 100 * (seconds - 0.1), `${ok} in ${seconds} s is too few`);
});

test('a reload that leaves a throttle as it is leaves its tokens as they are', async (t) => {
    const plan = (burst, more = {}) =>
        planned(api({ routes: { 'GET /x': keyed(mock()), ...more } }), {
            keys: { A: {} },
            plans: { Gold: { keys: ['A'], throttle: [0.001, burst] } },
        });
    const gw = await start(t, plan(6), two);
    assert.equal((await statuses(gw, 4, '/x', withKey('A'))).ok, 4);
    gw.write('template.yaml', plan(6, { 'GET /new': mock() }).text);
    await eventually('the changed file is served', async () => (await gw.get('/new')).status === 200);
    assert.equal((await statuses(gw, 9, '/x', withKey('A'))).ok, 2);
    gw.write('template.yaml', plan(5).text);
    await eventually('the new throttle', async () => {
        const { ok } = await statuses(gw, 9, '/x', withKey('A'));
        return ok === 5;
    });
});

test('a customised answer for throttling keeps Retry-After', async (t) => {
    const gw = await start(
        t,
        planned(
            api({
                routes: { 'GET /x': keyed(mock()) },
                extra: {
                    'x-amazon-apigateway-gateway-responses': {
                        THROTTLED: {
                            statusCode: '503',
                            responseTemplates: { 'application/json': '{"slow": "down"}' },
                        },
                    },
                },
            }),
            { keys: { A: {} }, plans: { Gold: { keys: ['A'], throttle: [0.5, 1] } } },
        ),
    );
    assert.equal((await gw.get('/x', withKey('A'))).status, 200);
    const answer = await gw.get('/x', withKey('A'));
    assert.deepEqual([answer.status, answer.body], [503, '{"slow": "down"}']);
    assert.equal(answer.headers['retry-after'], '2');
});

test("an HTTP API's route settings, its default for each other route", async (t) => {
    const project = httpApi({
        id: 'httpapi001',
        routes: Object.fromEntries(
            ['GET /x', 'GET /y', '$default'].map((route) => [
                route,
                calls(`async () => ({ statusCode: 200, body: 'in' })`),
            ]),
        ),
    });
    const template = JSON.parse(project.text);
    const stage = Object.values(template.Resources).find(
        ({ Type, Properties }) => /HttpApi$|V2::Stage$/.test(Type) && Properties,
    );
    const limit = (burst) => ({ ThrottlingRateLimit: 0.001, ThrottlingBurstLimit: burst });
    stage.Properties.DefaultRouteSettings = limit(3);
    stage.Properties.RouteSettings = { 'GET /y': limit(2) };
    const gw = await start(t, { ...project, text: JSON.stringify(template) }, two);
    const { ok, answers } = await statuses(gw, 8, '/x');
    assert.equal(ok, 3);
    const refused = answers.find((a) => a.status === 429);
    assert.equal(refused.body, TOO_MANY);
    assert.equal(refused.headers['x-amzn-errortype'], undefined);
    assert.match(refused.headers['apigw-requestid'], /=$/);
    assert.match(refused.headers['retry-after'], /^\d+$/);
    assert.equal((await statuses(gw, 8, '/y')).ok, 2);
    assert.equal((await statuses(gw, 8, '/else')).ok, 3);
});

test('what another gateway asks meets the same keys and buckets', async (t) => {
    const gw = await start(t, gold({ throttle: [0.001, 3] }), {
        args: [...two.args, '--authorize', '127.0.0.1:0'],
    });
    const port = Number(gw.listening.authorize.split(':').at(-1));
    const asked = async (headers) => {
        const answer = await request(port, 'GET', '/_authorize', {
            headers: { 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': '/dev/x', ...headers },
        });
        return answer.status;
    };
    assert.equal(await asked({}), 403);
    assert.equal(await asked(withKey('A').headers), 200);
    assert.equal(await asked(withKey('A').headers), 200);
    assert.equal((await gw.get('/x', withKey('A'))).status, 200);
    assert.equal(await asked(withKey('A').headers), 429);
});

test('limits: throttles all requests together', async (t) => {
    const project = api({ routes: { 'GET /x': mock(), 'GET /y': mock() } });
    const [server, options] = served(project, undefined);
    server.text += 'limits: {account_rate: 1, account_burst: 6}\nworkers: 2\n';
    const gw = await start(t, server, options);
    const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => request(gw.port, 'GET', `/dev/${i % 2 ? 'x' : 'y'}`)),
    );
    const ok = answers.filter((a) => a.status === 200).length;
    assert.ok(ok === 6 || ok === 7, `${ok}`);
    isThrottled(answers.find((a) => a.status !== 200));
    await sleep(1100);
    assert.equal((await gw.get('/x')).status, 200);
});
