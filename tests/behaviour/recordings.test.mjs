/* SPDX-License-Identifier: Apache-2.0
 * Answers that were recorded from AWS (../shared/recordings, skipped when absent), against the real
 * daemon: each recording is replayed, or listed with the reason why it does not apply. A recording
 * that is neither fails.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { backend } from '../lib/backend.mjs';
import { refusal, start, test } from '../lib/daemon.mjs';
import { api, http, lambda, mock, open, saying } from '../lib/template.mjs';

const FILE = path.resolve(
    fileURLToPath(new URL('../../..', import.meta.url)),
    'shared/recordings/data-plane-responses.json',
);

/** What the start of a test's name says about all of its recordings. */
const DOES_NOT_APPLY = [
    ['test_apigateway_api.py::TestApiGatewayApiModels', 'control plane: models'],
    ['test_apigateway_api.py::TestApigatewayTestInvoke', 'control plane: test-invoke-method'],
    ['test_apigateway_basic.py::TestAPIGateway', 'control plane: test-invoke-method'],
    ['test_apigateway_common.py::TestApiGatewayCommon::test_api_gateway_request_validator_with_ref',
        'bodies are not validated against schemas: refused by name'],
    ['test_apigateway_dynamodb.py', 'AWS integrations: refused by name'],
    ['test_apigateway_import.py::TestApiGatewayImportRestApi::test_import_with_stage_variables',
        'a stage variable without a value: refused when the document loads'],
    ['test_apigateway_integrations.py::TestApiGatewayHeaderRemapping::' +
        'test_apigateway_header_remapping_aws[AWS]', 'AWS integrations: refused by name'],
    ['test_apigateway_integrations.py::test_integration_mock_with', 'VTL: refused by name'],
    ['test_apigateway_lambda.py::test_lambda_aws_integration', 'AWS integrations: refused by name'],
    ['test_apigateway_lambda.py::test_lambda_aws_proxy_integration_non_post_method',
        'refused when the document loads: httpMethod must be POST'],
    ['test_apigateway_s3.py', 'AWS integrations: refused by name'],
    ['test_apigateway_sqs.py', 'AWS integrations: refused by name'],
];

const HELLO = '{"message": "hello world"}';
const RESERVED = [
    'content-length', 'transfer-encoding', 'authorization', 'connection', 'expect',
    'proxy-authenticate', 'te',
];
/* TLS to the backend is not there; HTTP/1.1 says keep-alive by saying nothing. */
const NOT_OURS = new Set(['x-amzn-tls-cipher-suite', 'x-amzn-tls-version', 'connection', 'keep-alive']);
const names = (headers) =>
    Object.keys(headers)
        .map((name) => name.toLowerCase())
        .filter((name) => !NOT_OURS.has(name))
        .sort();

const plain = (uri, more = {}) => ({
    ...http(uri, more),
    type: 'http',
    responses: { default: { statusCode: '200' } },
});

function argsOf(target) {
    const args = {};
    for (const [name, value] of new URL(target, 'http://x').searchParams) {
        args[name] = name in args ? `${args[name]},${value}` : value;
    }
    return args;
}

/** The echo of the recordings: what it was sent, as JSON; a status on demand. */
function echo(request) {
    const status = Number(request.target.match(/status\/(\d+)/)?.[1] ?? 0);
    if (status) {
        return { status, body: JSON.stringify({ message: '', status_code: status }) };
    }
    const body = request.body.toString();
    return {
        headers: {
            Connection: 'keep-alive',
            'Content-Type': 'application/json',
            Date: 'then',
            'x-amzn-RequestId': 'theirs',
            'X-Amzn-Trace-Id': 'Root=theirs',
        },
        body: JSON.stringify({
            data: body ? JSON.parse(body) : {},
            headers: Object.fromEntries(
                request.headers.map(([name, value]) => [name.toLowerCase(), value]),
            ),
            method: request.method,
            args: argsOf(request.target),
        }),
    };
}

const RETURNING = `async (event) => {
    if (event.body === null) throw new Error('no body');
    return JSON.parse(event.body);
}`;
const ECHOING = `async (event) => ({ body: JSON.stringify({ ...event, body: JSON.parse(event.body) }) })`;

async function gatewayOfRecordings(t) {
    const behind = await backend(t, echo);
    const parameters = ['issuer', 'test'].map((name) => ({ name, in: 'path', required: true }));
    const checked = (path) => [
        { name: 'qs1', in: 'query', required: true },
        { name: 'x-header-param', in: 'header', required: true },
        path,
    ];
    const routes = {
        'POST /nested/{test}': checkedMock(checked(parameters[0])),
        'GET /nested/{test}': checkedMock(checked(parameters[1])),
        'ANY /http': plain(`${behind.url}/`),
        'ANY /http_proxy': http(`${behind.url}/`),
        'ANY /http/{map+}': plain(`${behind.url}/{map}`),
        'ANY /http_proxy/{map+}': http(`${behind.url}/{map}`),
        'POST /proxy/{pathVariable}': mapping(
            http(`${behind.url}/?testVar={pathVar}&testQs={qsVar}`),
            {
                'header.headerVar': 'method.request.header.foobar',
                'path.qsVar': 'method.request.querystring.testVar',
                'path.pathVar': 'method.request.path.pathVariable',
                'querystring.queryString': 'method.request.querystring.testQueryString',
                'querystring.testQs': 'method.request.querystring.testQueryString',
                'querystring.testEmptyQs': 'method.request.header.emptyheader',
            },
        ),
        'POST /returning': lambda(RETURNING),
        'ANY /{pathVariable}': mapping(lambda(ECHOING), {
            'header.headerVar': 'method.request.header.foobar',
            'path.qsVar': 'method.request.querystring.testVar',
            'querystring.queryString': 'method.request.querystring.testQueryString',
        }),
    };
    for (const name of RESERVED) {
        const map = { [`header.${name}`]: 'method.request.header.from' };
        routes[`GET /mapped/HTTP/${name}`] = plain(`${behind.url}/`, { map });
        routes[`GET /mapped/HTTP_PROXY/${name}`] = http(`${behind.url}/`, { map });
        routes[`GET /mapped/AWS_PROXY/${name}`] = mapping(lambda(ECHOING), map);
    }
    return start(
        t,
        api({
            stage: 'test',
            routes,
            extra: {
                'x-amazon-apigateway-request-validators': {
                    all: { validateRequestParameters: true, validateRequestBody: true },
                },
            },
        }),
    );
}

const checkedMock = (parameters) =>
    saying({ parameters, 'x-amazon-apigateway-request-validator': 'all' }, mock());

const mapping = (integration, map) => ({
    ...integration,
    requestParameters: Object.fromEntries(
        Object.entries(map).map(([target, source]) => [`integration.request.${target}`, source]),
    ),
});

const JSON_TYPE = { 'Content-Type': 'application/json' };
const CALLER = { ...JSON_TYPE, Accept: 'application/xml', 'User-Agent': 'test/integration' };

/** test -> at -> request; `check` is what it compares beside the body. */
const REPLAYS = {
    'test_apigateway_common.py::TestApiGatewayCommon::test_api_gateway_request_validator': {
        'missing-all-required-request-params-post': async (gw, { response }) =>
            same(await post(gw, '/nested/value', '{"test": "test"}', JSON_TYPE), 400, response),
        'missing-required-headers-request-params-get': async (gw, { response }) =>
            same(await gw.get('/nested/value?qs1=test'), 400, response),
        'missing-required-qs-request-params-get': async (gw, { response }) =>
            same(
                await gw.get('/nested/value', { headers: { 'x-header-param': 'test' } }),
                400,
                response,
            ),
        'invalid-request-body': 'bodies are not validated against schemas: refused by name',
    },
    'test_apigateway_common.py::TestApigatewayRouting::test_routing_not_found': {
        'not-found/content': async (gw, { response }) =>
            same(await gw.get('/no/such/path'), 403, response),
        'wrong-method/content': async (gw, { response }) =>
            same(await gw.request('PUT', '/returning/x'), 403, response),
    },
    'test_apigateway_http.py::test_http_proxy_integration_request_data_mappings': {
        'http-proxy-invocation': async (gw, { response }) => {
            const answer = await mapped(gw);
            const sent = answer.json.headers;
            assert.equal(answer.status, response.status_code);
            assert.deepEqual(answer.json.args, response.content.args);
            for (const name of ['accept', 'content-type', 'foobar', 'headervar', 'user-agent']) {
                assert.equal(sent[name], response.content.headers[name], name);
            }
            assert.deepEqual(names(answer.headers), names(response.headers));
        },
        'http-proxy-invocation/content/data': async (gw, { response }) =>
            assert.deepEqual((await mapped(gw)).json.data, response),
    },
    'test_apigateway_lambda.py::test_lambda_aws_proxy_integration': {
        'invocation-payload-with-params-encoding-multi/body': async (gw, { response }) =>
            assert.deepEqual((await post(gw, '/foobar?a=1&a=2', HELLO, CALLER)).json.body, response),
    },
    'test_apigateway_lambda.py::test_lambda_aws_proxy_integration_request_data_mapping': {
        'http-proxy-invocation-data-mapping': async (gw, { response }) => {
            const answer = await post(gw, '/foobar?testQueryString=foo&testVar=bar', HELLO, {
                ...JSON_TYPE,
                Accept: 'application/json',
                'Accept-Encoding': 'gzip, deflate',
                'User-Agent': 'test/integration',
                foobar: 'mapped-value',
                headerVar: 'request-value',
            });
            sameEvent(answer.json, response.content);
        },
        'http-proxy-invocation-data-mapping/content/body': async (gw, { response }) =>
            assert.deepEqual((await post(gw, '/foobar', HELLO, CALLER)).json.body, response),
    },
    'test_apigateway_lambda.py::test_aws_proxy_response_payload_format_validation': {
        'invoke-api-wrong-format/content': returned({ statusCode: 200, wrongValue: 'value' }),
        'invoke-api-empty-response/content': async (gw, { response }) =>
            same(await gw.request('POST', '/returning'), 502, response),
        'invoke-api-multi-headers-invalid/content': returned({
            statusCode: 200,
            multiValueHeaders: { 'test-multi-invalid': 'value1' },
        }),
        'invoke-api-invalid-status-code/content': returned({ statusCode: 'test' }),
        'invoke-api-just-string/content': returned('justAString'),
    },
    ...remapped('test_apigateway_header_remapping_http', 'HTTP', RESERVED.slice(0, 2)),
    ...remapped('test_apigateway_header_remapping_http', 'HTTP_PROXY', RESERVED.slice(0, 2)),
    ...remapped('test_apigateway_header_remapping_aws', 'AWS_PROXY', RESERVED),
    ...httpIntegration('HTTP', '/http'),
    ...httpIntegration('HTTP_PROXY', '/http_proxy'),
};

const post = (gw, target, body, headers = {}) => gw.request('POST', target, { headers, body });

const mapped = (gw) =>
    post(gw, '/proxy/foobar?testQueryString=foo&testVar=bar', HELLO, {
        ...JSON_TYPE,
        Accept: 'application/json',
        'User-Agent': 'test/integration',
        foobar: 'mapped-value',
        headerVar: 'request-value',
    });

function same(answer, status, body) {
    assert.deepEqual([answer.status, answer.json], [status, body]);
}

function returned(value) {
    return async (gw, { response }) =>
        same(await post(gw, '/returning', JSON.stringify(value), JSON_TYPE), 502, response);
}

/** The event, but for what only AWS's network adds and what is masked. */
function sameEvent(event, recorded) {
    const network = /^(cloudfront-|via$|x-amz-cf-id$)/i;
    const known = (headers) => Object.keys(headers).filter((name) => !network.test(name)).sort();
    assert.deepEqual(Object.keys(event).sort(), Object.keys(recorded).sort());
    for (const key of Object.keys(recorded)) {
        if (key === 'headers' || key === 'multiValueHeaders') {
            const added = (name) => !/^(content-length|connection)$/i.test(name);
            assert.deepEqual(known(event[key]).filter(added), known(recorded[key]), key);
            assert.deepEqual(event[key].foobar, recorded[key].foobar);
            assert.deepEqual(event[key].headerVar, recorded[key].headerVar);
        } else if (key === 'requestContext') {
            const context = Object.keys(recorded[key]).filter((name) => name !== 'deploymentId');
            assert.deepEqual(Object.keys(event[key]).sort(), context.sort());
            assert.deepEqual(
                Object.keys(event[key].identity).sort(),
                Object.keys(recorded[key].identity).sort(),
            );
            for (const name of ['path', 'protocol', 'resourcePath', 'stage', 'httpMethod']) {
                assert.equal(event[key][name], recorded[key][name], name);
            }
        } else {
            assert.deepEqual(event[key], recorded[key], key);
        }
    }
}

/** A mapping to a header that cannot be mapped. */
function remapped(name, type, headers) {
    const replays = {};
    for (const header of headers) {
        const ask = (gw) => gw.get(`/mapped/${type}/${header}`, { headers: { from: '3' } });
        replays[`${header}/body`] = async (gw, { response }) =>
            same(await ask(gw), 500, response);
        replays[`${header}/response-headers`] = async (gw, { response }) => {
            const answer = await ask(gw);
            assert.deepEqual(names(answer.headers), names(response));
            for (const field of ['Content-Length', 'Content-Type', 'x-amzn-ErrorType']) {
                assert.equal(answer.headers[field.toLowerCase()], response[field], field);
            }
        };
    }
    return {
        [`test_apigateway_integrations.py::TestApiGatewayHeaderRemapping::${name}[${type}]`]:
            replays,
    };
}

function httpIntegration(type, path) {
    const test_ = `test_apigateway_http.py::`;
    const call = (gw, method = 'POST') =>
        gw.request(method, path, {
            headers: { ...CALLER, 'Accept-Encoding': 'gzip, deflate' },
            body: HELLO,
        });
    const data = async (gw, { response }, method) =>
        assert.deepEqual((await call(gw, method)).json.data, response);
    const status = (n) => async (gw, { response }) => {
        const answer = await gw.request('POST', `${path}/status/${n}`);
        assert.deepEqual({ body: answer.json, status_code: answer.status }, response);
    };
    return {
        [`${test_}test_http_integration_with_lambda[${type}]`]: {
            'http-invocation-lambda-url': async (gw, { response }) => {
                const answer = await call(gw);
                const { content, headers, status_code: expected } = response;
                assert.equal(answer.status, expected);
                assert.deepEqual(answer.json.data, content.data);
                assert.equal(answer.json.method, content.method);
                assert.deepEqual(names(answer.json.headers), names(content.headers));
                for (const name of ['accept', 'accept-encoding', 'content-type', 'content-length']) {
                    assert.equal(answer.json.headers[name], content.headers[name], name);
                }
                const agent = content.headers['user-agent'].replace(/<.*/, '');
                assert.ok(answer.json.headers['user-agent'].startsWith(agent));
                assert.deepEqual(names(answer.headers), names(headers));
            },
            'http-invocation-lambda-url/content/data': data,
        },
        [`${test_}test_http_integration_invoke_status_code_passthrough[${type}]`]: {
            'matching-response': status(200),
            'non-matching-response': status(400),
        },
        [`${test_}test_http_integration_method[${type}]`]: {
            'http-invocation-lambda-url-post/data': data,
            'http-invocation-lambda-url-put/data': (gw, one) => data(gw, one, 'PUT'),
            'http-invocation-lambda-url-get/data': (gw, one) => data(gw, one, 'GET'),
        },
    };
}

if (!existsSync(FILE)) {
    test('recordings', { skip: 'skipped: ../shared not found' }, () => {});
} else {
    test('recordings', async (t) => {
        const gw = await gatewayOfRecordings(t);
        let [replayed, left] = [0, 0];
        for (const one of JSON.parse(readFileSync(FILE, 'utf8'))) {
            const replay = REPLAYS[one.test]?.[one.at];
            const why =
                typeof replay === 'string'
                    ? replay
                    : DOES_NOT_APPLY.find(([start]) => one.test.startsWith(start))?.[1];
            if (typeof replay === 'function') {
                replayed++;
                await t.test(`${one.test} ${one.at}`, () => replay(gw, one));
            } else {
                left++;
                assert.ok(why, `neither replayed nor left out by name: ${one.test} ${one.at}`);
                t.diagnostic(`left out: ${one.test} ${one.at}: ${why}`);
            }
        }
        t.diagnostic(`${replayed} replayed, ${left} left out by name`);
    });

    test('what the recordings say of documents, said when they load', async (t) => {
        const wrong = { ...lambda(ECHOING), fn: undefined };
        const { transcript } = await refusal(
            t,
            api({
                routes: {
                    'GET /x': open({
                        ...wrong,
                        httpMethod: 'GET',
                        uri: 'arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/x/invocations',
                    }),
                    'GET /y': open(http('http://${stageVariables.none}/')),
                },
            }),
        );
        assert.match(transcript, /httpMethod must be POST/);
        assert.match(transcript, /stage variable none has no value/);
    });
}
