/* SPDX-License-Identifier: Apache-2.0
 * What SAM does unless it is told otherwise, and people trip over.
 */
import assert from 'node:assert/strict';
import { start, test } from '../lib/daemon.mjs';

const READS_HEADERS = `exports.handler = async (event) => ({
    principalId: event.headers.Authorization,
    policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: '*' }],
    },
});\n`;
const PREFLIGHT = {
    headers: { Origin: 'https://shop.test', 'Access-Control-Request-Method': 'GET' },
};

/** GET /x and its preflight behind a default authorizer. */
function project({ authorizer = {}, auth = {} } = {}) {
    const fn = (extra = {}) => ({
        Type: 'AWS::Serverless::Function',
        Properties: { CodeUri: './fn', Handler: 'index.handler', Runtime: 'nodejs20.x', ...extra },
    });
    const text = JSON.stringify({
        Transform: 'AWS::Serverless-2016-10-31',
        Resources: {
            Api: {
                Type: 'AWS::Serverless::Api',
                Properties: {
                    StageName: 'dev',
                    Cors: "'*'",
                    Auth: {
                        DefaultAuthorizer: 'Guard',
                        Authorizers: {
                            Guard: { FunctionArn: { 'Fn::GetAtt': ['Guard', 'Arn'] }, ...authorizer },
                        },
                        ...auth,
                    },
                },
            },
            Guard: fn(),
            Target: fn({
                Handler: 'target.handler',
                Events: {
                    Get: {
                        Type: 'Api',
                        Properties: { RestApiId: { Ref: 'Api' }, Path: '/x', Method: 'GET' },
                    },
                },
            }),
        },
    });
    const target = `exports.handler = async () => ({ statusCode: 200, body: 'in' });\n`;
    const files = { 'fn/index.js': READS_HEADERS, 'fn/target.js': target };
    return { name: 'template.yaml', text, files, stage: 'dev' };
}

test('a default authorizer guards the preflight, and check says so (trap 37)', async (t) => {
    const gw = await start(t, project());
    assert.equal((await gw.request('OPTIONS', '/x', PREFLIGHT)).status, 401);
    const { all } = await gw.ropeline('check', 'template.yaml');
    assert.match(all, /AddDefaultAuthorizerToCorsPreflight/);
    const told = project({ auth: { AddDefaultAuthorizerToCorsPreflight: false } });
    const free = await start(t, told);
    assert.equal((await free.request('OPTIONS', '/x', PREFLIGHT)).status, 200);
    assert.equal((await free.get('/x')).status, 401);
});

test('without FunctionPayloadType the event is a TOKEN one, whatever the code reads (trap 39)', async (t) => {
    const gw = await start(t, project());
    const failed = await gw.get('/x', { token: 'a' });
    assert.equal(failed.status, 500);
    assert.equal(failed.body, '{"message":null}');
    const told = project({
        authorizer: {
            FunctionPayloadType: 'REQUEST',
            Identity: { Headers: ['Authorization'] },
        },
    });
    const request = await start(t, told);
    assert.equal((await request.get('/x', { token: 'a' })).status, 200);
});
