/* SPDX-License-Identifier: Apache-2.0
 * API keys: who is let in by which key, where the key may come from, and what is told of it.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { refusal, start, test } from '../lib/daemon.mjs';
import { backend } from '../lib/backend.mjs';
import { keyed, planned, value } from '../lib/plans.mjs';
import {
    OBEDIENT,
    allowing,
    api,
    http,
    lambda,
    mock,
    request,
    returning,
    token,
} from '../lib/template.mjs';

const FORBIDDEN = '{"message":"Forbidden"}';

function isForbidden(answer, what) {
    assert.deepEqual([answer.status, answer.body], [403, FORBIDDEN], what);
    assert.equal(answer.headers['x-amzn-errortype'], 'ForbiddenException', what);
}

const withKey = (name, more = {}) => ({ headers: { 'x-api-key': value(name), ...more } });

test('a key that a plan grants on this stage is let in; every other is the same 403 (trap 31)', async (t) => {
    const gw = await start(
        t,
        planned(api({ routes: { 'GET /x': keyed(mock(200, 'in')), 'GET /free': mock() } }), {
            keys: { Good: {}, Loose: {}, Off: { enabled: false } },
            plans: { Gold: { keys: ['Good', 'Off'] } },
        }),
    );
    const good = await gw.get('/x', withKey('Good'));
    assert.deepEqual([good.status, good.body], [200, 'in']);
    assert.equal((await gw.get('/x', { headers: { 'X-API-KEY': value('Good') } })).status, 200);
    isForbidden(await gw.get('/x'), 'no key');
    isForbidden(await gw.get('/x', { headers: { 'x-api-key': '' } }), 'an empty key');
    isForbidden(await gw.get('/x', { headers: { 'x-api-key': 'short' } }), 'a short key');
    isForbidden(await gw.get('/x', withKey('Nobody')), 'an unknown key');
    isForbidden(await gw.get('/x', withKey('Loose')), 'a key without a plan');
    isForbidden(await gw.get('/x', withKey('Off')), 'a disabled key');
    isForbidden(await gw.get('/x', { headers: { 'x-api-key': value('Good') + ' x' } }), 'more');
    assert.equal((await gw.get('/free')).status, 200);
    const twice = await gw.raw(
        `GET /dev/x HTTP/1.1\r\nHost: a\r\nx-api-key: ${value('Good')}\r\n` +
            `X-Api-Key: ${value('Good')}\r\n\r\n`,
    );
    assert.equal(twice.response.status, 403);
    const { stdout } = await gw.ropeline('explain', '--last');
    assert.match(stdout, /api_key/);
    assert.match(stdout, /more than one x-api-key/);
    assert.match(stdout, /hint: send one x-api-key header/);
    await gw.get('/x', withKey('Loose'));
    const loose = await gw.ropeline('explain', '--last');
    assert.match(loose.stdout, /keyId +Loose\n/);
    assert.match(loose.stdout, /hint: join key and plan by an AWS::ApiGateway::UsagePlanKey/);
    assert.doesNotMatch(gw.transcript + stdout, new RegExp(value('Good')));
    assert.match(await gw.metrics(), /ropeline_api_keys_refused_total 9\b/);
});

test('the authorizer comes first: 401 without a token, 403 without a key (trap 30)', async (t) => {
    const gw = await start(
        t,
        planned(api({ authorizer: token(OBEDIENT), routes: { 'GET /x': keyed(mock()) } }), {
            keys: { Good: {} },
            plans: { Gold: { keys: ['Good'], throttle: [0, 1] } },
        }),
    );
    const allowed = allowing('*');
    assert.equal((await gw.get('/x')).status, 401);
    assert.equal((await gw.get('/x', withKey('Good'))).status, 401);
    isForbidden(await gw.get('/x', { token: allowed }));
    const denied = await gw.get('/x', { token: returning({ principalId: 'a' }), ...withKey('Good') });
    assert.equal(denied.status, 500);
    /* None of them took the only token. */
    assert.equal((await gw.get('/x', { token: allowed, ...withKey('Good') })).status, 200);
    assert.equal((await gw.get('/x', { token: allowed, ...withKey('Good') })).status, 429);
});

test('a key of another API is not let in', async (t) => {
    const project = planned(api({ routes: { 'GET /x': keyed(mock()) } }), {
        keys: { Good: {}, Other: {} },
        plans: {
            Gold: { keys: ['Good'] },
            Silver: { keys: ['Other'], api: { Ref: 'Second' }, stage: 'two' },
        },
    });
    const template = JSON.parse(project.text);
    template.Resources.Second = structuredClone(template.Resources.Api);
    template.Resources.Second.Properties.StageName = 'two';
    const gw = await start(t, { ...project, text: JSON.stringify(template) });
    assert.equal((await gw.get('/x', withKey('Good'))).status, 200);
    isForbidden(await gw.get('/x', withKey('Other')));
});

test('with AUTHORIZER the key is what the function returns, and the header is ignored (trap 29)', async (t) => {
    const gw = await start(
        t,
        planned(api({ authorizer: token(OBEDIENT), routes: { 'GET /x': keyed(mock()) } }), {
            source: 'AUTHORIZER',
            keys: { Good: {}, Off: { enabled: false }, Loose: {} },
            plans: { Gold: { keys: ['Good', 'Off'] } },
        }),
    );
    const usage = (usageIdentifierKey) =>
        returning({
            principalId: 'ana',
            policyDocument: {
                Version: '2012-10-17',
                Statement: [{ Action: '*', Effect: 'Allow', Resource: '*' }],
            },
            ...(usageIdentifierKey !== undefined && { usageIdentifierKey }),
        });
    assert.equal((await gw.get('/x', { token: usage(value('Good')) })).status, 200);
    isForbidden(await gw.get('/x', { token: usage(), ...withKey('Good') }), 'the header');
    isForbidden(await gw.get('/x', { token: usage('Good') }), 'its id');
    isForbidden(await gw.get('/x', { token: usage('x'.repeat(129)) }), 'too long');
    isForbidden(await gw.get('/x', { token: usage(value('Off')) }), 'disabled');
    isForbidden(await gw.get('/x', { token: usage(value('Loose')) }), 'of no plan here');
});

test('backend and event are told the key that was accepted', async (t) => {
    const seen = await backend(t);
    const gw = await start(
        t,
        planned(
            api({
                routes: {
                    'GET /mapped': keyed(
                        http(`${seen.url}/`, {
                            map: { 'header.X-Key-Id': 'context.identity.apiKeyId' },
                        }),
                    ),
                    'GET /event': keyed(
                        lambda(
                            `async (event) => ({ body: JSON.stringify(event.requestContext) })`,
                        ),
                    ),
                    'GET /open': lambda(
                        `async (event) => ({ body: JSON.stringify(event.requestContext) })`,
                    ),
                },
            }),
            { keys: { Good: {} }, plans: { Gold: { keys: ['Good'] } } },
        ),
    );
    await gw.get('/mapped', withKey('Good'));
    assert.equal(seen.last.header('X-Key-Id'), 'Good');
    const { identity } = (await gw.get('/event', withKey('Good'))).json;
    assert.deepEqual([identity.apiKey, identity.apiKeyId], [value('Good'), 'Good']);
    const open = (await gw.get('/open', withKey('Good'))).json.identity;
    assert.equal('apiKey' in open || 'apiKeyId' in open, false);
});

test('a REQUEST authorizer is shown the key that was sent, before it is judged', async (t) => {
    const routes = { 'GET /x': keyed(mock()), 'GET /open': mock() };
    const gw = await start(
        t,
        planned(api({ authorizer: request(`async () => allow()`), routes }), {
            keys: { Good: {} },
            plans: { Gold: { keys: ['Good'] } },
        }),
    );
    const shown = async (target, name) => {
        await gw.get(target, { token: 'a', ...withKey(name) });
        const { apiKey, apiKeyId } = gw.calls().at(-1).requestContext.identity;
        return [apiKey, apiKeyId];
    };
    assert.deepEqual(await shown('/x', 'Good'), [value('Good'), 'Good']);
    assert.deepEqual(await shown('/x', 'Nobody'), [value('Nobody'), undefined]);
    assert.deepEqual(await shown('/open', 'Good'), [undefined, undefined]);
});

test('values that are left out are made up once and kept for their owner', async (t) => {
    const gw = await start(
        t,
        planned(api({ routes: { 'GET /x': keyed(mock()) } }), {
            keys: { Made: { value: null } },
            plans: { Gold: { keys: ['Made'] } },
        }),
    );
    const file = `${gw.state}/api-keys.json`;
    const { Made } = JSON.parse(readFileSync(file, 'utf8'));
    assert.match(Made, /^[0-9a-f]{40}$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.doesNotMatch(gw.transcript, new RegExp(Made));
    assert.equal((await gw.get('/x', { headers: { 'x-api-key': Made } })).status, 200);
    await gw.end();
    await gw.launch();
    await gw.ready();
    assert.equal((await gw.get('/x', { headers: { 'x-api-key': Made } })).status, 200);
});

test('a wrong plan or key refuses the document, where it stands', async (t) => {
    const routes = { 'GET /x': keyed(mock()) };
    const wrong = [
        [{ keys: { A: { value: 'short' } } }, /at least 20 characters/],
        [{ keys: { A: { value: value('A') }, B: { value: value('A') } } }, /already exists/],
        [{ plans: { P: { stage: 'nowhere' } } }, /there is no stage nowhere/],
        [
            { keys: { A: {} }, plans: { P: { keys: ['A'] }, Q: { keys: ['A'] } } },
            /key A has plan P for stage dev/,
        ],
        [{ plans: { P: { methods: { '/y/GET': [1, 1] } } } }, /\/y\/GET, but API \w+ has no such/],
        [{ plans: { P: { quota: { limit: 5, period: 'YEAR' } } } }, /DAY, WEEK or MONTH/],
    ];
    for (const [parts, words] of wrong) {
        const { code, transcript } = await refusal(t, planned(api({ routes }), parts));
        assert.equal(code, 1, transcript);
        assert.match(transcript, words);
        assert.match(transcript, /template\.yaml:\d+:\d+: error: /);
        assert.equal(transcript.includes(value('A')), false);
    }
});
