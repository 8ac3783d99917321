/* SPDX-License-Identifier: Apache-2.0
 * Resource policies and conditions: who is shut out before the authorizer runs, what an Allow of the
 * API adds to an authorizer's, and that conditions are judged for each request, also on a cached
 * policy. The daemon trusts the proxy 127.0.0.1 where a test plays clients of several addresses.
 */
import assert from 'node:assert/strict';
import { isRoot, refusal, ropeline, served, start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT, allowing, api, mock, open, openapi, policy, statement, token,
} from '../lib/template.mjs';

const POLICY = 'x-amazon-apigateway-policy';

const says = (Effect, Resource, Condition, more = {}) => ({
    Effect, Principal: '*', Action: 'execute-api:Invoke', Resource,
    ...(Condition && { Condition }), ...more,
});
const document = (...Statement) => ({ Version: '2012-10-17', Statement });

const ROUTES = {
    'ANY /guarded/{proxy+}': mock(),
    'ANY /open/{proxy+}': open(mock()),
};
const project = (resourcePolicy, ttl = 0) =>
    api({
        authorizer: token(OBEDIENT, { ttl }),
        routes: ROUTES,
        extra: { [POLICY]: resourcePolicy },
    });

/** Run by `serve`, so that ropeline.yaml can name the trusted proxy. */
const behindProxy = (one) =>
    served(one, `${isRoot ? 'user: nobody\n' : ''}trusted_proxies: [127.0.0.0/8]\n`);

const message = (path, how = '') =>
    new RegExp(
        '^\\{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: ' +
            `arn:aws:execute-api:us-east-1:123456789012:[a-z0-9]{10}/dev/GET/${path}${how}"\\}$`,
    );

test('an explicit deny answers before the authorizer runs; an allow list of addresses (2.5, 9.4)', async (t) => {
    const gw = await start(
        t,
        ...behindProxy(
            project(
                document(
                    says('Allow', 'execute-api:/*'),
                    says('Deny', 'execute-api:/dev/GET/*/office', {
                        NotIpAddress: { 'aws:SourceIp': ['192.0.2.0/24', '2001:db8::/32'] },
                    }),
                    says('Deny', 'execute-api:/dev/*/listed', {
                        IpAddress: { 'aws:SourceIp': '198.51.100.0/24' },
                    }),
                ),
            ),
        ),
    );
    const ask = (path, address) =>
        gw.get(path, { token: allowing(), headers: { 'X-Forwarded-For': address } });
    const rows = [
        ['/guarded/office', '192.0.2.7', 200],
        ['/guarded/office', '2001:db8::7', 200],
        ['/guarded/office', '203.0.113.9', 403],
        ['/guarded/office', '2001:db9::7', 403],
        ['/open/office', '192.0.2.7', 200],
        ['/open/office', '203.0.113.9', 403],
        ['/guarded/listed', '198.51.100.7', 403],
        ['/guarded/listed', '203.0.113.9', 200],
        ['/open/listed', '::ffff:198.51.100.7', 403],
        ['/open/anything', '203.0.113.9', 200],
    ];
    let calls = 0;
    for (const [path, address, status] of rows) {
        const answer = await ask(path, address);
        assert.equal(answer.status, status, `${path} ${address} ${answer.body}`);
        calls += path.startsWith('/guarded') && status === 200;
        if (status === 403) {
            assert.match(answer.body, message(path.slice(1), ' with an explicit deny'));
            assert.equal(answer.headers['x-amzn-errortype'], 'AccessDeniedException');
        }
    }
    assert.equal(gw.calls().length, calls, 'who is denied costs no invocation');
    await ask('/guarded/office', '203.0.113.9');
    const { stdout } = await gw.ropeline('explain');
    assert.match(stdout, /resource_policy/);
    assert.match(stdout, /2 Deny execute-api:\/dev\/GET\/\*\/office matches/);
    assert.match(stdout, /explicit deny of the API's resource policy/);
});

test('a policy on an API without authorizer must allow; with one, either may (2.5, trap 53)', async (t) => {
    const gw = await start(
        t,
        project(
            document(
                says('Allow', ['execute-api:/dev/GET/open/yes', 'execute-api:/dev/GET/guarded/yes']),
                says('Allow', 'execute-api:/dev/GET/*/agent', {
                    StringLike: { 'aws:UserAgent': 'ours/*' },
                }),
                says('Deny', 'execute-api:/dev/GET/*/no'),
                says('Allow', 'execute-api:/dev/GET/*/iam', undefined, {
                    Principal: { AWS: 'arn:aws:iam::123456789012:user/ana' },
                }),
            ),
        ),
    );
    const yes = allowing();
    const nothing = policy();
    const no = policy(statement('Deny', '*'));
    const rows = [
        ['/open/yes', undefined, 200],
        ['/open/other', undefined, 403],
        ['/open/no', undefined, 403],
        ['/open/iam', undefined, 403],
        ['/guarded/yes', nothing, 200], // the API allows what the authorizer left open
        ['/guarded/yes', no, 403],
        ['/guarded/other', yes, 200],
        ['/guarded/other', nothing, 403],
        ['/guarded/no', yes, 403],
        ['/guarded/iam', nothing, 403],
    ];
    for (const [path, given, status] of rows) {
        const answer = await gw.get(path, { token: given });
        assert.equal(answer.status, status, `${path} ${answer.body}`);
    }
    const implicit = await gw.get('/open/other');
    assert.match(implicit.body, message('open/other'));
    const both = await gw.get('/guarded/other', { token: nothing });
    assert.equal(both.body, '{"Message":"User is not authorized to access this resource"}');
    const authorizer = await gw.get('/guarded/yes', { token: no });
    assert.equal(
        authorizer.body,
        '{"Message":"User is not authorized to access this resource with an explicit deny"}',
    );
    assert.equal((await gw.get('/guarded/yes')).status, 401, 'a token is still needed');

    const agent = (name) => gw.get('/open/agent', { headers: name ? { 'User-Agent': name } : {} });
    assert.equal((await agent('ours/1')).status, 200);
    assert.equal((await agent('theirs')).status, 403);
    const { stdout } = await gw.ropeline('explain');
    assert.match(stdout, /2 Allow: Condition StringLike aws:UserAgent: theirs fails against ours\/\*/);
    assert.match(stdout, /change in statement 2: Condition StringLike aws:UserAgent/);
    assert.equal((await agent()).status, 403);
});

test('an escape that decodes to a denied path is denied (attack e5)', async (t) => {
    const gw = await start(
        t,
        project(document(says('Allow', '*'), says('Deny', 'execute-api:/dev/GET/open/a:b'))),
    );
    assert.equal((await gw.get('/open/a:b')).status, 403);
    assert.equal((await gw.get('/open/a%3Ab')).status, 403);
    assert.equal((await gw.get('/open/a%3Ac')).status, 200);
});

test('aws:SourceIp is the peer and no header (trap 54)', async (t) => {
    const local = { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } };
    const gw = await start(t, project(document(says('Allow', 'execute-api:/*', local))));
    const lies = ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'X-Source-Ip', 'Client-IP'];
    for (const name of lies) {
        const headers = { [name]: '10.0.0.1' };
        assert.equal((await gw.get('/open/a', { headers })).status, 200, name);
        const given = (address) =>
            policy(statement('Allow', '*'), statement('Deny', '*', {
                Condition: { IpAddress: { 'aws:SourceIp': address } } }));
        assert.equal((await gw.get('/guarded/a', { headers, token: given('10.0.0.1') })).status, 200);
        assert.equal((await gw.get('/guarded/a', { headers, token: given('127.0.0.1') })).status, 403);
    }
});

test('conditions of a cached policy are judged for each request (attack c9)', async (t) => {
    const gw = await start(t, ...behindProxy(project(undefined, 300)));
    const given = policy(
        statement('Allow', '$api/dev/GET/guarded/net', {
            Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } }),
        statement('Allow', '$api/dev/GET/guarded/agent', {
            Condition: { StringEquals: { 'aws:UserAgent': 'a', 'aws:Referer': 'http://b/' } } }),
        statement('Allow', '$api/dev/GET/guarded/now', {
            Condition: { DateGreaterThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' },
                NumericLessThan: { 'aws:EpochTime': '4102444800' },
                Bool: { 'aws:SecureTransport': 'false' },
                ArnLike: { 'aws:SourceArn': 'arn:aws:execute-api:*:*:*/dev/GET/guarded/now' } } }),
        statement('Allow', '$api/dev/GET/guarded/later', {
            Condition: { DateGreaterThan: { 'aws:CurrentTime': '2100-01-01' } } }),
        statement('Allow', '$api/dev/GET/guarded/from/${aws:SourceIp}'),
        statement('Allow', '$api/dev/GET/guarded/vpc', {
            Condition: { StringNotEquals: { 'aws:SourceVpc': 'vpc-1' } } }),
    );
    const rows = [
        ['net', '192.0.2.1', {}, 200],
        ['net', '203.0.113.9', {}, 403],
        ['net', '192.0.2.255', {}, 200],
        ['agent', '192.0.2.1', { 'User-Agent': 'a', Referer: 'http://b/' }, 200],
        ['agent', '192.0.2.1', { 'User-Agent': 'a' }, 403],
        ['agent', '192.0.2.1', { 'User-Agent': 'http://b/', Referer: 'a' }, 403],
        ['now', '192.0.2.1', {}, 200],
        ['later', '192.0.2.1', {}, 403],
        ['from/192.0.2.1', '192.0.2.1', {}, 200],
        ['from/192.0.2.1', '192.0.2.2', {}, 403],
        ['vpc', '192.0.2.2', {}, 200],
    ];
    for (const [path, address, headers, status] of rows) {
        const answer = await gw.get(`/guarded/${path}`, {
            headers: { Authorization: given, 'X-Forwarded-For': address, ...headers } });
        assert.equal(answer.status, status, `${path} ${address} ${JSON.stringify(headers)}`);
    }
    assert.equal(gw.calls().length, 1);
    await gw.get('/guarded/net', { headers: { Authorization: given, 'X-Forwarded-For': '203.0.113.9' } });
    const { stdout } = await gw.ropeline('explain');
    assert.match(stdout, /1 Allow: Condition IpAddress aws:SourceIp: 203\.0\.113\.9 is not in 192\.0\.2\.0\/24/);
    assert.match(stdout, /change in statement 1/);
});

test('a variable needs Version 2012-10-17 (trap 55)', async (t) => {
    const gw = await start(t, project(undefined));
    const without = (Version) =>
        Buffer.from(JSON.stringify({ returns: { principalId: 'a', policyDocument: {
            ...(Version && { Version }),
            Statement: [statement('Allow', '$api/dev/GET/guarded/${aws:SourceIp}')] } } })).toString('base64url');
    assert.equal((await gw.get('/guarded/127.0.0.1', { token: without('2012-10-17') })).status, 200);
    assert.equal((await gw.get('/guarded/127.0.0.1', { token: without('2008-10-17') })).status, 403);
    assert.equal((await gw.get('/guarded/127.0.0.1', { token: without() })).status, 403);
});

test('a condition that cannot be judged is no policy (attack e7)', async (t) => {
    const gw = await start(t, project(undefined));
    for (const Condition of [
        { NoSuchOperator: { 'aws:SourceIp': '*' } },
        { IpAddress: { 'aws:SourceIp': 'here' } },
        { NumericEquals: { 'aws:EpochTime': 'soon' } },
        { StringEquals: { 'aws:UserAgent': { a: 'b' } } },
        { StringEquals: 'x' },
        [],
    ]) {
        const answer = await gw.get('/guarded/a', { token: policy(statement('Allow', '*', { Condition })) });
        assert.equal(answer.status, 500, JSON.stringify(Condition));
    }
});

test('a resource policy that cannot be judged keeps the API from being served', async (t) => {
    for (const [broken, words] of [
        [document({ Effect: 'Allow', Action: '*', Resource: '*' }), /statement 1: has neither Principal/],
        [document(says('Allow', 'execute-api:*')), /is neither \*, an ARN nor execute-api:\/\.\.\./],
        [document(says('Allow', '*', { IpAdress: { 'aws:SourceIp': '10.0.0.0/8' } })),
            /unknown condition operator "IpAdress"/],
        [document(says('Allow', '*', undefined, { Sid: 'x'.repeat(8192) })), /at most 8192 bytes/],
    ]) {
        const { code, transcript } = await refusal(t, project(broken));
        assert.notEqual(code, 0);
        assert.match(transcript, words);
        assert.match(transcript, /template\.yaml:\d+:\d+/);
    }
});

test('an OpenAPI document brings its policy too; the change of it is served', async (t) => {
    const bare = (resourcePolicy) => openapi({
        routes: { 'GET /a': mock() }, extra: { [POLICY]: resourcePolicy } });
    const gw = await start(t, bare(document(says('Allow', 'execute-api:/*/GET/a'))));
    assert.equal((await gw.get('/a')).status, 200);
    gw.write('openapi.yaml', bare(document(says('Deny', '*'))).text);
    await gw.waitFor(/reloaded|changed/);
    assert.equal((await gw.get('/a')).status, 403);
});

test('policy eval judges both policies and their conditions', async () => {
    const line = (id, more, context) => JSON.stringify({ id, ...more, request: {
        methodArn: 'arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/dev/GET/a', context } });
    const office = document({ Effect: 'Allow', Action: '*', Resource: '*',
        Condition: { IpAddress: { 'aws:SourceIp': '192.0.2.0/24' } } });
    const { stdout } = await ropeline(['policy', 'eval', '--jsonl'], { input: [
        line(1, { policy: office }, { 'AWS:SOURCEIP': '192.0.2.7' }),
        line(2, { policy: office }, { 'aws:SourceIp': '203.0.113.9' }),
        line(3, { policy: office }),
        line(4, { policy: document(), resourcePolicy: document(says('Allow', 'execute-api:/dev/*')) }),
        line(5, { resourcePolicy: document(says('Deny', 'execute-api:/dev/*')), policy: office },
            { 'aws:SourceIp': '192.0.2.7' }),
        line(6, { policy: office }, { 'aws:SourceIp': null }),
        line(7, { policy: office }, [1]),
        line(8, { resourcePolicy: office }),
        line(9, { policy: document({ Effect: 'Allow', Action: '*', Resource: '*', Condition: {
            'ForAllValues:StringLike': { k: ['a*', true, 7] } } }) }, { k: ['ab', true, 7] }),
    ].join('\n') });
    assert.deepEqual(stdout.trim().split('\n').map((text) => JSON.parse(text).verdict), [
        'ALLOW', 'IMPLICIT_DENY', 'IMPLICIT_DENY', 'ALLOW', 'EXPLICIT_DENY', 'INVALID', 'INVALID',
        'INVALID', 'ALLOW']);
});
