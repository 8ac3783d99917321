/* SPDX-License-Identifier: Apache-2.0
 * What a policy allows: each row is a Resource (or a whole statement), a request, and whether it
 * passes. The authorizer returns the policy that its token holds.
 */
import assert from 'node:assert/strict';
import { start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT, allowing, api, mock, policy, returning, statement, token,
} from '../lib/template.mjs';

const EVERYTHING = api({
    authorizer: token(OBEDIENT),
    routes: { 'ANY /': mock(), 'ANY /{proxy+}': mock() },
});
const IMPLICIT = '{"Message":"User is not authorized to access this resource"}';
const EXPLICIT =
    '{"Message":"User is not authorized to access this resource with an explicit deny"}';

const acting = (Action) => policy({ Effect: 'Allow', Action, Resource: '*' });

/** rows: [token, method, path, 'allow' | 'none' | 'deny'] */
async function judge(t, rows) {
    const gw = await start(t, EVERYTHING);
    for (const [given, method, path, verdict] of rows) {
        const answer = await gw.request(method, path, { token: given });
        const what = `${Buffer.from(given, 'base64url')} ${method} ${path}`;
        assert.equal(answer.status, verdict === 'allow' ? 200 : 403, what);
        if (verdict !== 'allow') {
            assert.equal(answer.body, verdict === 'deny' ? EXPLICIT : IMPLICIT, what);
        }
    }
}

test('the wildcard * spans anything, slashes and colons included (trap 13)', (t) => judge(t, [
    [allowing('*'), 'GET', '/a/b', 'allow'],
    [allowing('$api/dev/GET/*'), 'GET', '/a/b/c', 'allow'],
    [allowing('$api/dev/*/a/*'), 'PUT', '/a/b/c', 'allow'],
    [allowing('$api/*/b'), 'GET', '/a/b', 'allow'],
    [allowing('$api/dev/*b*d'), 'GET', '/a/b/c/d', 'allow'],
    [allowing('$api/dev/*b*d'), 'GET', '/a/b/c/e', 'none'],
    [allowing('$api/dev/GET/*'), 'PUT', '/a', 'none'],
    [allowing('$api/prod/*'), 'GET', '/a', 'none'],
]));

test('short ARNs that end in a wildcard reach over the missing parts (trap 13)', (t) => judge(t, [
    [allowing('arn:aws:execute-api:*'), 'GET', '/a', 'allow'],
    [allowing('arn:aws:execute-api:us-east-1:*'), 'GET', '/a', 'allow'],
    [allowing('arn:aws:execute-api:*:*:*'), 'GET', '/a', 'allow'],
    [allowing('arn:aws:execute-api:**'), 'GET', '/a', 'allow'],
    [allowing('arn:aws:execute-api:us-east-1:123456789012:*'), 'GET', '/a', 'allow'],
    [allowing('arn:aws:execute-api:eu-west-1:*'), 'GET', '/a', 'none'],
    [allowing('arn:aws:execute-api:us-east-1:999999999999:*'), 'GET', '/a', 'none'],
    [allowing('arn:aws:execute-api'), 'GET', '/a', 'none'],
]));

test('the wildcard ? is exactly one character and no regular expression (trap 12)', (t) => judge(t, [
    [allowing('$api/dev/GET/x?'), 'GET', '/x1', 'allow'],
    [allowing('$api/dev/GET/x?'), 'GET', '/x', 'none'],
    [allowing('$api/dev/GET/x?'), 'GET', '/x12', 'none'],
    [allowing('$api/dev/GET/x??'), 'GET', '/x12', 'allow'],
    [allowing('$api/dev/?ET/x'), 'GET', '/x', 'allow'],
    [allowing('$api/dev/GET/x?y'), 'GET', '/x/y', 'allow'],
]));

test('everything else in a pattern is literal', (t) => judge(t, [
    [allowing('$api/dev/GET/a.c'), 'GET', '/abc', 'none'],
    [allowing('$api/dev/GET/a.c'), 'GET', '/a.c', 'allow'],
    [allowing('$api/dev/GET/(a|b)'), 'GET', '/a', 'none'],
    [allowing('$api/dev/GET/[ab]'), 'GET', '/a', 'none'],
    [allowing('$api/dev/GET/a+'), 'GET', '/aa', 'none'],
    [allowing('$api/dev/GET/^a$'), 'GET', '/a', 'none'],
    [allowing('$api/dev/GET/%61'), 'GET', '/a', 'none'],
]));

test('a resource without a wildcard is no prefix (trap 14)', (t) => judge(t, [
    [allowing('$api/dev/GET/users'), 'GET', '/users', 'allow'],
    [allowing('$api/dev/GET/users'), 'GET', '/users/1', 'none'],
    [allowing('$api/dev/GET/users/'), 'GET', '/users/1', 'none'],
    [allowing('$api/dev/GET'), 'GET', '/users', 'none'],
    [allowing('GET/users'), 'GET', '/users', 'none'],
    [allowing('*/users'), 'GET', '/my/users', 'allow'],
]));

test('a policy for one path parameter does not allow another (trap 16)', (t) => judge(t, [
    [allowing('$api/dev/GET/users/42'), 'GET', '/users/42', 'allow'],
    [allowing('$api/dev/GET/users/42'), 'GET', '/users/43', 'none'],
    [allowing('$api/dev/GET/users/42'), 'GET', '/users/420', 'none'],
    [allowing('$api/dev/GET/users/4*'), 'GET', '/users/43', 'allow'],
    [allowing('$api/dev/GET/users/{id}'), 'GET', '/users/42', 'none'],
]));

test('the root matches */* although its path is empty (trap 10)', (t) => judge(t, [
    [allowing('$api/*/*'), 'GET', '/', 'allow'],
    [allowing('$api/dev/*/*'), 'GET', '/', 'allow'],
    [allowing('$api/dev/GET/'), 'GET', '/', 'allow'],
    [allowing('$api/dev/GET/?*'), 'GET', '/', 'none'],
]));

test('a colon in the path does not break the ARN apart (trap 11)', (t) => judge(t, [
    [allowing('$arn'), 'GET', '/urn:isbn:1', 'allow'],
    [allowing('$api/dev/GET/urn:isbn:*'), 'GET', '/urn:isbn:1/a:b', 'allow'],
    [allowing('$api/dev/GET/urn:isbn:1'), 'GET', '/urn:isbn:2', 'none'],
    [policy(statement('Allow', '*'), statement('Deny', '$api/dev/GET/a:b')), 'GET', '/a:b', 'deny'],
]));

test('paths and verbs are compared with their case, actions without', (t) => judge(t, [
    [allowing('$api/dev/GET/Users'), 'GET', '/users', 'none'],
    [allowing('$api/dev/get/users'), 'GET', '/users', 'none'],
    [acting('EXECUTE-API:invoke'), 'GET', '/a', 'allow'],
]));

test('Action may be *, a prefix or a list, Resource bare text or a list (trap 21)', (t) => judge(t, [
    [acting('*'), 'GET', '/a', 'allow'],
    [acting('execute-api:*'), 'GET', '/a', 'allow'],
    [acting('execute-api:Inv*'), 'GET', '/a', 'allow'],
    [acting(['s3:GetObject', 'execute-api:Invoke']), 'GET', '/a', 'allow'],
    [acting(['s3:GetObject']), 'GET', '/a', 'none'],
    [acting('execute-api:InvalidateCache'), 'GET', '/a', 'none'],
    [acting('execute-api:ManageConnections'), 'GET', '/a', 'none'],
    [allowing('$arn'), 'GET', '/a', 'allow'],
    [allowing(['$api/dev/GET/b', '$api/dev/GET/a']), 'GET', '/a', 'allow'],
    [allowing(['$api/dev/GET/b', '$api/dev/GET/c']), 'GET', '/a', 'none'],
    [allowing(''), 'GET', '/a', 'none'],
]));

test('every statement is read, and a Deny wins wherever it stands (trap 15)', (t) => judge(t, [
    [policy(statement('Allow', '*'), statement('Deny', '$arn')), 'GET', '/a', 'deny'],
    [policy(statement('Deny', '$arn'), statement('Allow', '*')), 'GET', '/a', 'deny'],
    [policy(statement('Allow', '*/GET/b'), statement('Allow', '*/GET/a')), 'GET', '/a', 'allow'],
    [policy(statement('Deny', '$api/dev/GET/b'), statement('Allow', '*')), 'GET', '/a', 'allow'],
    [policy(statement('Deny', '*/GET/b'), statement('Allow', '*/GET/c')), 'GET', '/a', 'none'],
    [policy(statement('Allow', '*'), statement('deny', '*')), 'GET', '/a', 'deny'],
    [policy(...Array.from({ length: 20 }, (_, i) => statement('Allow', `$api/dev/GET/${i}`)),
        statement('Deny', '$api/dev/GET/19')), 'GET', '/19', 'deny'],
]));

test('NotAction and NotResource are what is left', (t) => judge(t, [
    [policy({ Effect: 'Allow', NotAction: 's3:*', Resource: '*' }), 'GET', '/a', 'allow'],
    [policy({ Effect: 'Allow', NotAction: 'execute-api:*', Resource: '*' }), 'GET', '/a', 'none'],
    [policy({ Effect: 'Allow', Action: '*', NotResource: '$api/dev/GET/b' }), 'GET', '/a', 'allow'],
    [policy({ Effect: 'Allow', Action: '*', NotResource: '$api/dev/GET/a' }), 'GET', '/a', 'none'],
    [policy(statement('Allow', '*'), { Effect: 'Deny', Action: '*', NotResource: '*/GET/a' }),
        'GET', '/b', 'deny'],
    [policy(statement('Allow', '*'), { Effect: 'Deny', Action: '*', NotResource: '*/GET/a' }),
        'GET', '/a', 'allow'],
]));

test('a policy variable is literal text without a Version (trap 55)', async (t) => {
    const gw = await start(t, EVERYTHING);
    const without = (resource) => returning({
        principalId: 'ana', policyDocument: { Statement: [statement('Allow', resource)] } });
    const literal = without('$api/dev/GET/${aws:SourceIp}');
    const exact = await gw.raw(
        `GET /dev/\${aws:SourceIp} HTTP/1.1\r\nHost: a\r\nAuthorization: ${literal}\r\n\r\n`);
    assert.equal(exact.response.status, 200);
    assert.equal((await gw.get('/127.0.0.1', { token: literal })).status, 403);
    assert.equal((await gw.get('/a', { token: without('*') })).status, 200);
});

test('a policy that cannot be judged fully never allows', async (t) => {
    const gw = await start(t, EVERYTHING);
    const conditions = [{ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } },
        { NoSuchOperator: { 'aws:SourceIp': '*' } }, []];
    for (const Condition of conditions) {
        const answer = await gw.get('/a', { token: policy(statement('Allow', '*', { Condition })) });
        assert.ok(answer.status === 403 || answer.status === 500, `${answer.status}`);
    }
});

test('a Resource above 512 characters is no policy', async (t) => {
    const gw = await start(t, EVERYTHING);
    const resource = (length) => 'arn:aws:execute-api:'.padEnd(length, '*');
    assert.equal((await gw.get('/a', { token: allowing(resource(512)) })).status, 200);
    assert.equal((await gw.get('/a', { token: allowing(resource(513)) })).status, 500);
});

test('a pattern made to be slow is quick', async (t) => {
    const gw = await start(t, EVERYTHING);
    const began = Date.now();
    const answer = await gw.get(`/${'a'.repeat(1200)}`, { token: allowing(`${'*a'.repeat(250)}*b`) });
    assert.equal(answer.status, 403);
    assert.ok(Date.now() - began < 3000);
});

test('the key of a denial is Message, of all else message (trap 48)', async (t) => {
    const gw = await start(t, EVERYTHING);
    const implicit = await gw.get('/a', { token: allowing('$api/dev/GET/b') });
    const explicit = await gw.get('/a', { token: policy(statement('Deny', '*')) });
    assert.equal(implicit.body, IMPLICIT);
    assert.equal(implicit.bytes.length, 60);
    assert.equal(explicit.body, EXPLICIT);
    assert.equal((await gw.get('/a')).body, '{"message":"Unauthorized"}');
    for (const answer of [implicit, explicit]) {
        assert.equal(answer.status, 403);
        assert.equal(answer.headers['x-amzn-errortype'], 'AccessDeniedException');
    }
});
