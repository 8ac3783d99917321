/* SPDX-License-Identifier: Apache-2.0
 * x-ropeline-session and x-ropeline-roles as documents have them: what check refuses, with the
 * place, and that SAM's and CloudFormation's ways of writing come to the same as OpenAPI's.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startCore } from '../lib/core.mjs';
import { refusal, request, ropeline, served, test } from '../lib/daemon.mjs';
import { Backend, bearer, having } from '../lib/sessions.mjs';

const mock = {
    'x-amazon-apigateway-integration': {
        type: 'mock',
        requestTemplates: { 'application/json': '{"statusCode": 200}' },
        responses: { default: { statusCode: '200' } },
    },
};
/** GET /orders/{id} behind `session`, GET /open behind nothing; what a row changes. */
const openapi = ({ session = {}, scheme = {}, roles, method, open = {}, more = {} }) => ({
    openapi: '3.0.1',
    info: { title: 'sessions', version: '1' },
    ...(roles && { 'x-ropeline-roles': roles }),
    paths: {
        '/orders/{id}': {
            get: {
                security: [{ session: [] }],
                responses: {},
                ...(method && { 'x-ropeline-roles': method }),
                ...mock,
            },
        },
        '/open': { get: { responses: {}, ...open, ...mock } },
    },
    components: {
        securitySchemes: {
            session: { type: 'http', scheme: 'bearer', 'x-ropeline-session': session, ...scheme },
        },
    },
    ...more,
});

function folder(t) {
    const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-documents-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    return dir;
}

async function check(cwd, document) {
    writeFileSync(path.join(cwd, 'api.json'), JSON.stringify(document, null, 1));
    return ropeline(['check', 'api.json'], { cwd });
}

const refused = {
    'an unknown member': [{ session: { checkDb: true } }, /unknown member checkDb; it is/],
    'no object': [{ session: 'yes' }, /x-ropeline-session: is \{app/],
    'a flag that is a text': [{ session: { fresh: 'true' } }, /fresh is true or false/],
    'an app that is none': [{ session: { app: 'A b' } }, /\[a-z0-9-\]\+/],
    'an anti-CSRF mode that is none': [{ session: { antiCsrf: 'via_token' } }, /antiCsrf is NONE/],
    'a cookie that is a text': [{ session: { cookie: 'lax' } }, /cookie is \{domain/],
    'an unknown attribute': [{ session: { cookie: { httpOnly: true } } }, /unknown member httpOnly/],
    'an attribute that is two': [{ session: { cookie: { path: '/; a' } } }, /no path of a cookie/],
    'a sameSite that is none': [{ session: { cookie: { sameSite: 'no' } } }, /lax, none or strict/],
    'a time that is too long': [{ scheme: { authorizerResultTtlInSeconds: 3601 } }, /from 0 to 3600/],
    'a word beside it': [
        { scheme: { 'x-ropeline-coalesce': 1 } },
        /x-ropeline-coalesce is true or false/,
    ],
    'a table of another form': [{ roles: ['admin'] }, /x-ropeline-roles/],
    'an unknown member of a table': [{ roles: { role: {} } }, /x-ropeline-roles.*role/],
    'a role without a method': [{ roles: { roles: { admin: [] } } }, /at least one method/],
    'a method that is none': [{ roles: { roles: { admin: 'FETCH /x' } } }, /"FETCH \/x" is not a/],
    'a path without a slash': [{ roles: { roles: { admin: 'GET x' } } }, /"GET x" is not a method/],
    'a path that is not there': [
        { roles: { roles: { admin: 'GET /orders/{key}' } } },
        /GET \/orders\/\{key\} is no method of this API/,
    ],
    'a method that names nobody': [{ method: [] }, /names nobody/],
    'a method that names no text': [{ method: [{}] }, /a name in x-ropeline-roles/],
    'an unknown member of a method': [{ method: { role: 'x' } }, /x-ropeline-roles of a method.*role/],
    'roles before an open method': [
        { open: { 'x-ropeline-roles': 'admin' } },
        /GET \/open: x-ropeline-roles needs an authorizer with x-ropeline-session/,
    ],
    'a table that guards nothing': [
        {
            roles: { roles: { admin: '/*' } },
            more: { paths: { '/open': { get: { responses: {}, ...mock } } } },
        },
        /x-ropeline-roles guards nothing/,
    ],
};

test('what is no definition is refused by name and place', async (t) => {
    const cwd = folder(t);
    for (const [name, [change, words]] of Object.entries(refused)) {
        await t.test(name, async () => {
            const { code, all } = await check(cwd, openapi(change));
            assert.equal(code, 1, all);
            const line = all.split('\n').find((one) => one.includes(': error: '));
            assert.match(line, words);
            assert.match(line, /^api\.json:\d+:\d+: error: /);
        });
    }
});

test('what is sound passes; a table that leaves a method open is a warning', async (t) => {
    const cwd = folder(t);
    const sound = [
        {},
        { session: null },
        { session: { app: 'a-1', antiCsrf: 'VIA_TOKEN', required: false } },
        { session: { cookie: { domain: 'example.com', path: '/a', sameSite: 'STRICT', secure: true } } },
        { scheme: { authorizerResultTtlInSeconds: 60, 'x-ropeline-coalesce': false } },
        { method: 'admin' },
        { method: { roles: ['a', 'b'], permissions: 'c' } },
    ];
    for (const change of sound) {
        const { code, all } = await check(cwd, openapi(change));
        assert.equal(code, 0, all);
        assert.ok(!all.includes('warning:'), all);
    }
    const { code, all } = await check(cwd, openapi({ roles: { roles: { admin: 'ANY /*' } } }));
    assert.equal(code, 0, all);
    assert.match(all, /warning: GET \/open: x-ropeline-roles of its API does not reach it: it is open/);
});

test('without a core nothing is served', async (t) => {
    const text = JSON.stringify(openapi({}));
    const { code, transcript } = await refusal(t, ...served({ text }));
    assert.equal(code, 1);
    assert.match(transcript, /there is no identity core in this process; give it a listener/);
});

const ROLES = { roles: { viewer: 'GET /orders/{id}', admin: ['/orders*'] } };
const HANDLER = `exports.handler = async () => ({ statusCode: 200, body: 'in' });\n`;

/** A REST API and an HTTP API in SAM's own words, and a REST API in CloudFormation's. */
function template() {
    const event = (Type, RestApiId, Path, Method, Auth) => ({
        Type,
        Properties: { [Type === 'Api' ? 'RestApiId' : 'ApiId']: { Ref: RestApiId }, Path, Method, Auth },
    });
    const auth = {
        DefaultAuthorizer: 'session',
        Authorizers: { session: { 'x-ropeline-session': {} } },
        'x-ropeline-roles': ROLES,
    };
    const method = (HttpMethod, more) => ({
        Type: 'AWS::ApiGateway::Method',
        Properties: {
            RestApiId: { Ref: 'Raw' },
            ResourceId: { Ref: 'Orders' },
            HttpMethod,
            AuthorizationType: 'CUSTOM',
            AuthorizerId: { Ref: 'RawSession' },
            Integration: {
                Type: 'MOCK',
                RequestTemplates: { 'application/json': '{"statusCode": 200}' },
                IntegrationResponses: [{ StatusCode: '200' }],
            },
            MethodResponses: [{ StatusCode: '200' }],
            ...more,
        },
    });
    const Resources = {
        Rest: { Type: 'AWS::Serverless::Api', Properties: { StageName: 'rest', Auth: auth } },
        Http: { Type: 'AWS::Serverless::HttpApi', Properties: { StageName: 'http', Auth: auth } },
        Target: {
            Type: 'AWS::Serverless::Function',
            Properties: {
                CodeUri: './fn',
                Handler: 'index.handler',
                Runtime: 'nodejs20.x',
                Events: {
                    Get: event('Api', 'Rest', '/orders/{id}', 'GET'),
                    Delete: event('Api', 'Rest', '/orders/{id}', 'DELETE'),
                    Own: event('Api', 'Rest', '/own', 'GET', { 'x-ropeline-roles': 'auditor' }),
                    HttpGet: event('HttpApi', 'Http', '/orders/{id}', 'GET'),
                    HttpDelete: event('HttpApi', 'Http', '/orders/{id}', 'DELETE'),
                    HttpOwn: event('HttpApi', 'Http', '/own', 'GET', { 'x-ropeline-roles': 'auditor' }),
                },
            },
        },
        Raw: { Type: 'AWS::ApiGateway::RestApi', Properties: { Name: 'raw' } },
        RawSession: {
            Type: 'AWS::ApiGateway::Authorizer',
            Properties: {
                Name: 'session',
                Type: 'TOKEN',
                RestApiId: { Ref: 'Raw' },
                'x-ropeline-session': {},
            },
        },
        Orders: {
            Type: 'AWS::ApiGateway::Resource',
            Properties: {
                RestApiId: { Ref: 'Raw' },
                ParentId: { 'Fn::GetAtt': ['Raw', 'RootResourceId'] },
                PathPart: 'orders',
            },
        },
        RawGet: method('GET', { 'x-ropeline-roles': ['viewer', 'admin'] }),
        RawDelete: method('DELETE', { 'x-ropeline-roles': 'admin' }),
        Deployment: {
            Type: 'AWS::ApiGateway::Deployment',
            DependsOn: ['RawGet', 'RawDelete'],
            Properties: { RestApiId: { Ref: 'Raw' }, StageName: 'raw' },
        },
    };
    const text = JSON.stringify({ Transform: 'AWS::Serverless-2016-10-31', Resources });
    return { name: 'template.json', text, files: { 'fn/index.js': HANDLER } };
}

test("SAM's and CloudFormation's ways of writing come to the same", async (t) => {
    const core = await startCore(t, { project: template() });
    const backend = new Backend(core);
    const shown = {};
    for (const role of ['viewer', 'admin', 'auditor']) {
        shown[role] = bearer((await backend.session(having([role]))).accessToken.token);
    }
    const rows = [
        ['/orders/7', 'GET', { viewer: 200, admin: 200, auditor: 403 }, ['rest', 'http']],
        ['/orders/7', 'DELETE', { viewer: 403, admin: 200, auditor: 403 }, ['rest', 'http']],
        ['/own', 'GET', { viewer: 403, admin: 403, auditor: 200 }, ['rest', 'http']],
        ['/orders', 'GET', { viewer: 200, admin: 200, auditor: 403 }, ['raw']],
        ['/orders', 'DELETE', { viewer: 403, admin: 200, auditor: 403 }, ['raw']],
    ];
    for (const [target, method, may, stages] of rows) {
        for (const stage of stages) {
            const ask = async (headers) =>
                (await request(core.daemon.port, method, `/${stage}${target}`, { headers })).status;
            assert.equal(await ask({}), 401, `${method} /${stage}${target}`);
            for (const [role, expected] of Object.entries(may)) {
                assert.equal(await ask(shown[role]), expected, `${role} ${method} /${stage}${target}`);
            }
        }
    }
});
