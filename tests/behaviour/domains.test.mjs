/* SPDX-License-Identifier: Apache-2.0
 * Custom domains: which API and stage a Host and the beginning of a path choose, what functions and
 * policies are told of it, and what a domain must not answer.
 */
import assert from 'node:assert/strict';
import https from 'node:https';
import { authority, certificate } from '../lib/certificates.mjs';
import { isRoot, refusal, request, served, start, test } from '../lib/daemon.mjs';
import { calls, httpApi } from '../lib/http_api.mjs';
import { api, lambda, mock, open, token } from '../lib/template.mjs';

const root = authority();
const echo = lambda(`async (event) => ({ body: JSON.stringify({
    path: event.path, resource: event.resource, stage: event.requestContext.stage,
    inner: event.requestContext.path, domain: event.requestContext.domainName }) })`);
const GUARD = token(`async (event) => allow('*', { context: { arn: event.methodArn } })`);
const told = lambda(`async (event) => ({ body: event.requestContext.authorizer.arn })`);

const mapping = (DomainName, BasePath, more = {}) => ({
    Type: 'AWS::ApiGateway::BasePathMapping',
    Properties: {
        DomainName,
        ...(BasePath && { BasePath }),
        RestApiId: { Ref: 'Api' },
        Stage: 'dev',
        ...more,
    },
});

/** The project with more resources in its template, and more properties of its API. */
function withResources(project, resources, properties = {}) {
    const template = JSON.parse(project.text);
    Object.assign(template.Resources, resources);
    Object.assign(template.Resources.Api.Properties, properties);
    return { ...project, text: JSON.stringify(template) };
}

const PROJECT = api({
    authorizer: GUARD,
    routes: {
        'GET /': open(mock(200, 'root')),
        'GET /echo/{id}': open(echo),
        'GET /told': told,
    },
});
const from = (gw, host, target, headers = {}) =>
    request(gw.port, 'GET', target, { headers: { Host: host, ...headers } });

test('a Host and a base path choose the API', async (t) => {
    const gw = await start(
        t,
        withResources(PROJECT, {
            Shop: mapping('Shop.Test', 'orders'),
            Nested: mapping('shop.test', 'orders/v2'),
            Whole: mapping('whole.test'),
            Wild: mapping('*.wild.test', 'w'),
            Staged: mapping('staged.test', 's', { Stage: undefined }),
        }),
    );
    await t.test('the base path is in path and requestContext.path, nowhere else (trap 46)', async () => {
        assert.deepEqual(JSON.parse((await from(gw, 'shop.test', '/orders/echo/7')).body), {
            path: '/orders/echo/7',
            resource: '/echo/{id}',
            stage: 'dev',
            inner: '/orders/echo/7',
            domain: 'shop.test',
        });
        const { body } = await from(gw, 'SHOP.test:8080', '/orders/told', { Authorization: 'x' });
        assert.match(body, /^arn:aws:execute-api:us-east-1:123456789012:\w+\/dev\/GET\/told$/);
    });
    await t.test('the longest one wins, at whole segments', async () => {
        const { body } = await from(gw, 'shop.test', '/orders/v2/echo/7');
        assert.equal(JSON.parse(body).path, '/orders/v2/echo/7');
        assert.equal((await from(gw, 'shop.test', '/orders')).body, 'root');
        assert.equal((await from(gw, 'shop.test', '/orders/')).body, 'root');
        for (const target of ['/ordersx/echo/7', '/Orders/echo/7', '/orders%2Fecho/7']) {
            assert.notEqual((await from(gw, 'shop.test', target)).status, 200, target);
        }
    });
    await t.test('a base path of nothing takes every path', async () => {
        assert.equal(JSON.parse((await from(gw, 'whole.test', '/echo/7')).body).path, '/echo/7');
    });
    await t.test('a wildcard stands for one label', async () => {
        assert.equal((await from(gw, 'a.wild.test', '/w')).body, 'root');
        assert.equal((await from(gw, 'a.b.wild.test', '/w')).status, 403);
    });
    await t.test('a mapping without a stage takes it from the path', async () => {
        assert.equal((await from(gw, 'staged.test', '/s/dev/echo/7')).status, 200);
        assert.equal((await from(gw, 'staged.test', '/s/other/echo/7')).status, 403);
    });
    await t.test('what is not mapped is forbidden, also a stage', async () => {
        for (const target of ['/', '/other', '/dev/echo/7', '/dev']) {
            const { status, body } = await from(gw, 'shop.test', target);
            assert.equal(status, 403, target);
            assert.equal(body, '{"message":"Forbidden"}');
        }
        const id = /API (\w+)/.exec(gw.transcript)?.[1];
        const { status } = await from(gw, 'shop.test', `/restapis/${id}/dev/_user_request_/`);
        assert.equal(status, 403);
        assert.equal((await from(gw, 'localhost', '/dev')).body, 'root');
    });
});

test('a disabled default endpoint answers only by its domain', async (t) => {
    const gw = await start(
        t,
        withResources(
            PROJECT,
            { Whole: mapping('whole.test') },
            { DisableExecuteApiEndpoint: true },
        ),
    );
    assert.equal((await from(gw, 'whole.test', '/')).body, 'root');
    const { status, body } = await from(gw, 'localhost', '/dev');
    assert.equal(status, 403);
    assert.equal(body, '{"message":"Forbidden"}');
    const id = /API (\w+)/.exec(gw.transcript)[1];
    assert.equal((await from(gw, `${id}.execute-api.localhost`, '/dev')).status, 403);
    assert.equal((await from(gw, 'localhost', `/restapis/${id}/dev/_user_request_/`)).status, 403);
});

test('ropeline.yaml maps a domain; its certificate makes it TLS only', async (t) => {
    const pairs = {
        a: certificate({ names: ['a.test'], issuer: root }),
        b: certificate({ names: ['b.test'], issuer: root }),
    };
    const files = Object.fromEntries(
        Object.entries(pairs).flatMap(([name, { chain, key }]) => [
            [`${name}.pem`, chain],
            [`${name}-key.pem`, key],
        ]),
    );
    const rows = ['a', 'b'].map(
        (name) => `  - {domain: ${name}.test, certificate: ${name}.pem, key: ${name}-key.pem}\n`,
    );
    const [project, options] = served(
        { ...PROJECT, files: { ...PROJECT.files, ...files } },
        `    domain: A.test\n    base_path: v1\n${isRoot ? 'user: nobody\n' : ''}` +
            `listen: {gateway_tls: "127.0.0.1:0", authorize: "127.0.0.1:0"}\ntls:\n${rows.join('')}`,
    );
    const gw = await start(t, project, options);
    const port = Number(gw.listening.gatewayTls.split(':').at(-1));
    const get = (servername, host, path) =>
        new Promise((resolve, reject) => {
            https
                .get(
                    {
                        ...{ host: '127.0.0.1', port, servername, path, ca: root.cert },
                        headers: { Host: host },
                        agent: false,
                    },
                    async (rs) => {
                        let body = '';
                        for await (const part of rs) {
                            body += part;
                        }
                        resolve({ status: rs.statusCode, body });
                    },
                )
                .on('error', reject);
        });
    assert.equal((await get('a.test', 'a.test', '/v1')).body, 'root');
    assert.equal((await get('a.test', 'a.test', '/dev')).status, 403);
    const clear = await from(gw, 'a.test', '/v1');
    assert.equal(clear.status, 403);
    assert.equal(clear.body, '{"message":"Forbidden"}');
    const asked = Number(gw.listening.authorize.split(':').at(-1));
    for (const [host, target, status] of [
        ['a.test', '/v1/told', 200],
        ['a.test', '/dev/told', 403],
        ['localhost', '/dev/told', 200],
    ]) {
        const headers = {
            'X-Forwarded-Method': 'GET',
            'X-Forwarded-Uri': target,
            'X-Forwarded-Host': host,
            Authorization: 'x',
        };
        const answer = await request(asked, 'GET', '/_authorize', { headers });
        assert.equal(answer.status, status, `${host}${target}: ${answer.body}`);
    }
    const misdirected = await get('b.test', 'a.test', '/v1');
    assert.equal(misdirected.status, 421);
    assert.equal(misdirected.body, '{"message":"Misdirected Request"}');
    assert.equal((await get('b.test', 'b.test', '/dev')).body, 'root');
});

test('mappings that lead nowhere are refused by name', async (t) => {
    const refused = async (resources, wrong) => {
        const { code, transcript } = await refusal(t, withResources(PROJECT, resources));
        assert.notEqual(code, 0);
        assert.match(transcript, wrong);
    };
    await refused({ M: mapping('a.test', 'x', { Stage: 'prod' }) }, /domain a\.test maps \/x to API \w+, stage prod, which is not here/);
    await refused({ M: mapping('a.test', 'x//y') }, /x\/\/y is no base path/);
    await refused({ M: mapping('a.test', 'x'), N: mapping('A.test', 'x') }, /has the base path \/x twice/);
});

test('HTTP APIs have domains in their own manner', async (t) => {
    const project = httpApi({
        stage: 'v1',
        routes: {
            'GET /echo/{id}': calls(`async (event) => ({ raw: event.rawPath,
                path: event.requestContext.http.path, key: event.routeKey })`),
        },
    });
    const template = JSON.parse(project.text);
    const [[name, given]] = Object.entries(template.Resources).filter(
        ([, { Type }]) => Type === 'AWS::ApiGatewayV2::Api',
    );
    given.Properties.DisableExecuteApiEndpoint = true;
    template.Resources.Mapping = {
        Type: 'AWS::ApiGatewayV2::ApiMapping',
        Properties: {
            ApiId: { Ref: name },
            ApiMappingKey: 'shop/v2',
            DomainName: 'shop.test',
            Stage: 'v1',
        },
    };
    const gw = await start(t, { ...project, text: JSON.stringify(template) });
    assert.deepEqual(JSON.parse((await from(gw, 'shop.test', '/shop/v2/echo/7')).body), {
        raw: '/shop/v2/echo/7',
        path: '/shop/v2/echo/7',
        key: 'GET /echo/{id}',
    });
    for (const [host, target] of [
        ['shop.test', '/echo/7'],
        ['localhost', '/v1/echo/7'],
        ['shop.test', '/v1/echo/7'],
    ]) {
        const { status, body } = await from(gw, host, target);
        assert.equal(status, 404);
        assert.equal(body, '{"message":"Not Found"}');
    }
});
