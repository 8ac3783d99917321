/* SPDX-License-Identifier: Apache-2.0
 * explain: for each way in which a request can be refused it names the step, the reason and what
 * was compared; and it never prints a token.
 */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { closedPort } from '../lib/backend.mjs';
import { eventually, start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    allowing,
    api,
    http,
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

async function explained(t, { ttl = 0, validation, extra = {} } = {}) {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT, { ttl, validation, timeout: 1 }),
            routes: { 'ANY /orders/{id}': mock(), 'GET /open': open(mock()), ...extra },
        }),
    );
    const why = async (...args) => {
        const { code, stdout, stderr } = await gw.ropeline('explain', ...args);
        assert.equal(code, 0, stderr);
        return stdout;
    };
    return { gw, why };
}

const denials = [
    ['a missing token', {}, 401, [/Authorization/, /missing|empty/, /not called/]],
    ['an Unauthorized throw', { token: throwing('Unauthorized') }, 401, [/Unauthorized/, /Guard/]],
    ['another error', { token: throwing('the database is away') }, 500, [/the database is away/]],
    [
        'an implicit deny',
        { token: allowing('$api/dev/GET/users/*') },
        403,
        [/implicit/i, /GET\/users\/\*/, /GET\/orders\/7/, /principal\s+ana/],
    ],
    [
        'an explicit deny',
        { token: policy(statement('Allow', '*'), statement('Deny', '$api/dev/*/orders/*')) },
        403,
        [/explicit/i, /Deny/, /\/dev\/\*\/orders\/\*/],
    ],
    ['a policy without any statement', { token: policy() }, 403, [/implicit/i]],
    [
        'an answer without principalId',
        { token: returning({ policyDocument: {} }) },
        500,
        [/principalId/],
    ],
    [
        'an answer without a policy',
        { token: returning({ principalId: 'a' }) },
        500,
        [/policyDocument/],
    ],
    [
        'an object in context',
        {
            token: returning({
                principalId: 'a',
                context: { deep: {} },
                policyDocument: { Version: '2012-10-17', Statement: [] },
            }),
        },
        500,
        [/context\.deep/],
    ],
    [
        'lower-case elements',
        {
            token: returning({
                principalId: 'a',
                policyDocument: {
                    Version: '2012-10-17',
                    Statement: [{ effect: 'Allow', action: '*', resource: '*' }],
                },
            }),
        },
        500,
        [/statement 1|effect/i],
    ],
    ['a dead function', { token: order({ exits: 3 }) }, 500, [/Guard/, /exit|Runtime\.ExitError/i]],
    ['a slow function', { token: order({ sleeps: 9000 }) }, 500, [/timed out|TIMEOUT|timeout/i]],
];
test('each kind of refusal is explained', async (t) => {
    const { gw, why } = await explained(t);
    for (const [name, options, status, words] of denials) {
        await t.test(name, async () => {
            const answer = await gw.get('/orders/7', options);
            assert.equal(answer.status, status);
            const text = await why(answer.headers['x-amzn-requestid']);
            assert.match(text, new RegExp(`^${status}\\b.*GET /dev/orders/7`, 'm'));
            for (const word of words) {
                assert.match(text, word);
            }
        });
    }
});

test('a refusal before the authorizer is explained too', async (t) => {
    const down = await closedPort();
    const { gw, why } = await explained(t, {
        validation: '^Bearer .+$',
        extra: {
            'GET /down': open(http(`http://127.0.0.1:${down}/`)),
            'GET /odd': open(lambda(`async () => 'odd'`)),
        },
    });
    await gw.get('/nowhere');
    assert.match(await why(), /no resource and method|no route/i);
    await gw.get('/orders/7', { token: 'Basic x' });
    assert.match(await why(), /identityValidationExpression/);
    await gw.raw('GET /dev/x/../y HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(await why(), /dot segment/);
    gw.stagePath = '/prod';
    await gw.get('/x');
    assert.match(await why(), /stage/);
    gw.stagePath = '/dev';
    await gw.get('/down');
    assert.match(await why(), /refused|connect/i);
    await gw.get('/odd');
    assert.match(await why(), /statusCode/);
});

test('the narrow policy from the cache is named, with the change that helps (trap 1)', async (t) => {
    const { gw, why } = await explained(t, { ttl: 300 });
    const given = allowing('$arn');
    await gw.get('/orders/7', { token: given });
    assert.equal((await gw.get('/orders/8', { token: given })).status, 403);
    const text = await why();
    assert.match(text, /cache\s+hit/);
    assert.match(text, /GET\/orders\/7/);
    assert.match(text, /methodArn/);
    assert.match(text, /wildcard|TTL/);
    await gw.waitFor(/hint: .*methodArn/);
});

test('without an argument it is the last refusal, with --last the last request', async (t) => {
    const { gw, why } = await explained(t);
    await gw.get('/orders/1');
    await gw.get('/open');
    // a worker writes its record when the answer has gone out
    await eventually('the last is known', async () => /GET \/dev\/open/.test(await why('--last')));
    assert.match(await why(), /GET \/dev\/orders\/1/);
});

test('the beginning of a request id is enough; an unknown one fails', async (t) => {
    const { gw, why } = await explained(t);
    const { headers } = await gw.get('/orders/1');
    await gw.get('/orders/2');
    assert.match(await why(headers['x-amzn-requestid'].slice(0, 8)), /GET \/dev\/orders\/1/);
    const unknown = await gw.ropeline('explain', 'ffffffff-ffff');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /no such/);
});

test('an allow is explained with the statement that allowed', async (t) => {
    const { gw, why } = await explained(t);
    await gw.get('/orders/7', {
        token: policy(
            statement('Allow', '$api/dev/GET/none'),
            statement('Allow', '$api/dev/GET/orders/?'),
        ),
    });
    const text = await why('--last');
    assert.match(text, /^200/);
    assert.match(text, /GET\/orders\/\?/);
});

test('as JSON it is the steps in their order', async (t) => {
    const { gw } = await explained(t);
    const answer = await gw.get('/orders/7', { token: allowing('$api/x') });
    const { stdout } = await gw.ropeline('explain', '--json');
    const { decision } = JSON.parse(stdout);
    assert.equal(decision.id, answer.headers['x-amzn-requestid']);
    assert.equal(decision.status, 403);
    const steps = [...new Set(decision.steps.map(({ step }) => step))];
    assert.deepEqual(
        steps.filter((step) => ['match', 'authorize', 'policy', 'respond'].includes(step)),
        ['match', 'authorize', 'policy', 'respond'],
    );
    assert.ok(
        decision.steps.every(
            ({ verdict, key, value }) =>
                typeof verdict === 'string' && key && typeof value === 'string',
        ),
    );
});

test('an expired JWT is recognised without its key', async (t) => {
    const { gw, why } = await explained(t);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { sub: 'ana', exp: 1_700_000_000, iss: 'me' };
    const body = `${part({ alg: 'RS256', kid: 'old' })}.${part(claims)}`;
    const jwt = `${body}.${sign('sha256', Buffer.from(body), privateKey).toString('base64url')}`;
    assert.equal((await gw.get('/orders/7', { token: `Bearer ${jwt}` })).status, 500);
    const text = await why();
    assert.match(text, /exp\s+1700000000, \d+ s ago/);
    assert.match(text, /not verified/);
});

test('no token, whole or in large part, is ever shown', async (t) => {
    const { gw, why } = await explained(t);
    const secret = createHmac('sha256', 'x').update(`${Date.now()}`).digest('hex');
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwt = `${part({ alg: 'HS256' })}.${part({ sub: secret })}.${secret}`;
    for (const given of [secret, `Bearer ${jwt}`, `Bearer ${secret}`]) {
        await gw.get('/orders/7', { token: given });
        await gw.get('/nowhere');
        const shown =
            (await why()) + (await gw.ropeline('explain', '--json')).stdout + gw.transcript;
        assert.ok(!shown.includes(secret.slice(-24)), 'the secret is shown');
        assert.ok(!shown.includes(jwt.split('.')[1].slice(-40)), 'the claims are shown');
    }
});

test('while it runs, dev says one line for each request', async (t) => {
    const { gw } = await explained(t);
    await gw.get('/orders/7', { token: allowing('$api/x') });
    await gw.waitFor(/403\s+GET\s+\/dev\/orders\/7/);
    await gw.get('/open');
    await gw.waitFor(/200\s+GET\s+\/dev\/open/);
});
