/* SPDX-License-Identifier: Apache-2.0
 * The requests and expectations on Lambda authorizers that an emulator of AWS keeps for itself
 * (../shared/cases/samcli-start-api-cases.json): REST and HTTP APIs, TOKEN and REQUEST authorizers,
 * written as raw CloudFormation, as SAM and as OpenAPI inside of both. The templates and functions
 * here are our own, with the names that the cases use. Where the emulator's answer is its own and
 * not AWS's, `expected` says what AWS answers. Skipped when ../shared is absent.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { start, test } from '../lib/daemon.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CASES = path.join(ROOT, '../shared/cases/samcli-start-api-cases.json');

/* ---- the functions ---- */

const APP = `'use strict';
const policy = (Effect, Resource) => ({
    principalId: 'user|a1b2c3d4',
    policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Action: 'execute-api:Invoke', Effect, Resource: [Resource] }],
    },
});
const arn = (event) => event.methodArn ?? event.routeArn;
const whole = (event) => arn(event).split('/').slice(0, 2).join('/') + '/*/*';
const context = { number: 1, bool: true, passed: 'from authorizer' };
exports.lambda_handler = async ({ requestContext: { authorizer } }) => ({
    statusCode: 200,
    body: JSON.stringify({ message: authorizer.passed ?? authorizer.lambda.passed }),
});
exports.auth_handler = async (event) => ({ ...policy('Allow', whole(event)), context });
exports.auth_handler_swagger_parameterized = async (event) => ({
    ...policy('Allow', whole(event).replace('*/*', '*/*/authorized')), context });
exports.simple_handler = async () => ({ isAuthorized: true, context });
exports.unauth = async () => policy('Deny', 'arn:aws:execute-api:nowhere:1:none/none/*/*');
exports.unauthv2 = async () => ({ isAuthorized: false, context: { number: 1 } });
exports.throws_exception = async () => { throw new Error(''); };
`;

const functionOf = (handler) => ({
    Type: 'AWS::Serverless::Function',
    Properties: { CodeUri: './app', Handler: handler, Runtime: 'nodejs20.x', Timeout: 10 },
});
const invocation = (name) => ({
    'Fn::Sub':
        'arn:aws:apigateway:${AWS::Region}:lambda:path/' +
        `2015-03-31/functions/\${${name}.Arn}/invocations`,
});
const FUNCTIONS = {
    HelloWorldFunction: functionOf('app.lambda_handler'),
    AuthorizerFunction: functionOf({ Ref: 'AuthHandler' }),
};
const text = (value) => ({ Type: 'String', Default: value });

/* ---- the templates ---- */

const restMethod = (api, authorizer, pathPart) => ({
    [`${pathPart}Resource`]: {
        Type: 'AWS::ApiGateway::Resource',
        Properties: {
            RestApiId: { Ref: api },
            ParentId: { 'Fn::GetAtt': [api, 'RootResourceId'] },
            PathPart: pathPart,
        },
    },
    [`${pathPart}Method`]: {
        Type: 'AWS::ApiGateway::Method',
        Properties: {
            RestApiId: { Ref: api },
            ResourceId: { Ref: `${pathPart}Resource` },
            HttpMethod: 'GET',
            AuthorizationType: 'CUSTOM',
            AuthorizerId: { Ref: authorizer },
            Integration: {
                Type: 'AWS_PROXY',
                IntegrationHttpMethod: 'POST',
                Uri: invocation('HelloWorldFunction'),
            },
        },
    },
});
const restAuthorizer = (api, Type, IdentitySource) => ({
    Type: 'AWS::ApiGateway::Authorizer',
    Properties: {
        AuthorizerUri: invocation('AuthorizerFunction'),
        Type,
        IdentitySource,
        Name: `By${Type}`,
        RestApiId: { Ref: api },
    },
});
const REST_SOURCES = 'method.request.header.header, method.request.querystring.query';
const HTTP_SOURCES = ['$request.header.header', '$request.querystring.query'];

const cfnRest = () => ({
    Parameters: { AuthHandler: text('app.auth_handler') },
    Resources: {
        ...FUNCTIONS,
        Rest: { Type: 'AWS::ApiGateway::RestApi', Properties: { Name: 'rest' } },
        Token: restAuthorizer('Rest', 'TOKEN', 'method.request.header.header'),
        Request: restAuthorizer('Rest', 'REQUEST', REST_SOURCES),
        ...restMethod('Rest', 'Token', 'requestauthorizertoken'),
        ...restMethod('Rest', 'Request', 'requestauthorizerrequest'),
        Deployment: {
            Type: 'AWS::ApiGateway::Deployment',
            DependsOn: ['requestauthorizertokenMethod', 'requestauthorizerrequestMethod'],
            Properties: { RestApiId: { Ref: 'Rest' }, StageName: 'prod' },
        },
    },
});

const httpAuthorizer = (version, simple) => ({
    Type: 'AWS::ApiGatewayV2::Authorizer',
    Properties: {
        ApiId: { Ref: 'Http' },
        Name: `V${version[0]}${simple ? 'Simple' : ''}`,
        AuthorizerType: 'REQUEST',
        AuthorizerPayloadFormatVersion: version,
        EnableSimpleResponses: simple,
        AuthorizerUri: invocation('AuthorizerFunction'),
        IdentitySource: HTTP_SOURCES,
    },
});
const httpRoute = (endpoint, authorizer) => ({
    Type: 'AWS::ApiGatewayV2::Route',
    Properties: {
        ApiId: { Ref: 'Http' },
        RouteKey: `GET /${endpoint}`,
        AuthorizationType: 'CUSTOM',
        AuthorizerId: { Ref: authorizer },
        Target: { 'Fn::Join': ['/', ['integrations', { Ref: 'Hello' }]] },
    },
});

const cfnHttp = () => ({
    Parameters: {
        AuthHandler: text('app.auth_handler'),
        RoutePayloadFormatVersion: text('2.0'),
    },
    Resources: {
        ...FUNCTIONS,
        Http: { Type: 'AWS::ApiGatewayV2::Api', Properties: { Name: 'h', ProtocolType: 'HTTP' } },
        V2: httpAuthorizer('2.0', false),
        V2Simple: httpAuthorizer('2.0', true),
        V1: httpAuthorizer('1.0', false),
        R2: httpRoute('requestauthorizerv2', 'V2'),
        R2Simple: httpRoute('requestauthorizerv2simple', 'V2Simple'),
        R1: httpRoute('requestauthorizerv1', 'V1'),
        Hello: {
            Type: 'AWS::ApiGatewayV2::Integration',
            Properties: {
                ApiId: { Ref: 'Http' },
                IntegrationType: 'AWS_PROXY',
                IntegrationMethod: 'POST',
                IntegrationUri: invocation('HelloWorldFunction'),
                PayloadFormatVersion: { Ref: 'RoutePayloadFormatVersion' },
            },
        },
        Deployment: {
            Type: 'AWS::ApiGatewayV2::Deployment',
            DependsOn: ['R2', 'R2Simple', 'R1'],
            Properties: { ApiId: { Ref: 'Http' } },
        },
        Stage: {
            Type: 'AWS::ApiGatewayV2::Stage',
            Properties: {
                StageName: 'prod',
                DeploymentId: { Ref: 'Deployment' },
                ApiId: { Ref: 'Http' },
            },
        },
    },
});

const withEvent = (Type, ApiKey) => ({
    ...FUNCTIONS.HelloWorldFunction,
    Properties: {
        ...FUNCTIONS.HelloWorldFunction.Properties,
        Events: {
            ApiEvent: {
                Type,
                Properties: {
                    Auth: { Authorizer: { Ref: 'AuthOverride' } },
                    Path: '/requestauthorizer',
                    Method: 'get',
                    [ApiKey]: { Ref: 'Api' },
                },
            },
        },
    },
});
const IDENTITY = { Headers: ['header'], QueryStrings: ['query'] };

const samRest = () => ({
    Parameters: { AuthHandler: text('app.auth_handler'), AuthOverride: text('Token') },
    Resources: {
        ...FUNCTIONS,
        HelloWorldFunction: withEvent('Api', 'RestApiId'),
        Api: {
            Type: 'AWS::Serverless::Api',
            Properties: {
                StageName: 'prod',
                Auth: {
                    DefaultAuthorizer: 'Token',
                    Authorizers: {
                        Token: {
                            FunctionArn: { 'Fn::GetAtt': ['AuthorizerFunction', 'Arn'] },
                            Identity: { Header: 'header' },
                        },
                        Request: {
                            FunctionArn: { 'Fn::GetAtt': ['AuthorizerFunction', 'Arn'] },
                            FunctionPayloadType: 'REQUEST',
                            Identity: IDENTITY,
                        },
                    },
                },
            },
        },
    },
});

const samAuthorizer = (version, simple, name) => ({
    AuthorizerPayloadFormatVersion: version,
    EnableSimpleResponses: simple,
    FunctionArn: { 'Fn::GetAtt': [name, 'Arn'] },
    Identity: IDENTITY,
});
const samHttp = () => ({
    Parameters: {
        AuthHandler: text('app.auth_handler'),
        AuthSimpleHandler: text('app.simple_handler'),
        AuthOverride: text('RequestAuthorizerV2'),
    },
    Resources: {
        ...FUNCTIONS,
        HelloWorldFunction: withEvent('HttpApi', 'ApiId'),
        AuthorizerFunctionSimple: functionOf({ Ref: 'AuthSimpleHandler' }),
        Api: {
            Type: 'AWS::Serverless::HttpApi',
            Properties: {
                StageName: 'http',
                Auth: {
                    DefaultAuthorizer: 'RequestAuthorizerV2',
                    Authorizers: {
                        RequestAuthorizerV2: samAuthorizer('2.0', false, 'AuthorizerFunction'),
                        RequestAuthorizerV1: samAuthorizer('1.0', false, 'AuthorizerFunction'),
                        RequestAuthorizerV2Simple: samAuthorizer(
                            '2.0',
                            true,
                            'AuthorizerFunctionSimple',
                        ),
                    },
                },
            },
        },
    },
});

const operation = (scheme, more = {}) => ({
    get: {
        security: [{ [scheme]: [] }],
        responses: {},
        'x-amazon-apigateway-integration': {
            httpMethod: 'POST',
            type: 'aws_proxy',
            uri: invocation('HelloWorldFunction'),
            ...more,
        },
    },
});
const scheme = (type, more, name = 'notused') => ({
    type: 'apiKey',
    in: 'header',
    name,
    'x-amazon-apigateway-authtype': 'custom',
    'x-amazon-apigateway-authorizer': {
        type,
        authorizerUri: invocation('AuthorizerFunction'),
        ...more,
    },
});
const bodied = (Type, Body, stage) => ({
    [`${Body.info.title}`]: { Type, Properties: { Name: Body.info.title, Body } },
    ...stage,
});
const restStage = (api) => ({
    [`${api}Deployment`]: {
        Type: 'AWS::ApiGateway::Deployment',
        Properties: { RestApiId: { Ref: api }, StageName: api.toLowerCase() },
    },
});

const openapiRest = () => ({
    Parameters: { AuthHandler: text('app.auth_handler'), ValidationString: text('') },
    Resources: {
        ...FUNCTIONS,
        ...bodied(
            'AWS::ApiGateway::RestApi',
            {
                swagger: '2.0',
                info: { title: 'Swagger', version: '1' },
                securityDefinitions: {
                    ByRequest: scheme('request', { identitySource: REST_SOURCES }),
                    ByToken: scheme(
                        'token',
                        { identityValidationExpression: { Ref: 'ValidationString' } },
                        'header',
                    ),
                },
                paths: {
                    '/': operation('ByRequest'),
                    '/requestauthorizerswaggerrequest': operation('ByRequest'),
                    '/requestauthorizerswaggertoken': operation('ByToken'),
                    '/requestauthorizerswaggerrequest/{status}': operation('ByRequest'),
                    '/requestauthorizerswaggertoken/{status}': operation('ByToken'),
                },
            },
            restStage('Swagger'),
        ),
        ...bodied(
            'AWS::ApiGateway::RestApi',
            {
                openapi: '3.0.1',
                info: { title: 'OpenApi', version: '1' },
                components: {
                    securitySchemes: {
                        ByRequest: scheme('request', { identitySource: REST_SOURCES }),
                    },
                },
                paths: { '/requestauthorizeropenapi': operation('ByRequest') },
            },
            restStage('OpenApi'),
        ),
    },
});

const openapiHttp = () => ({
    Parameters: { AuthHandler: text('app.auth_handler') },
    Resources: {
        ...FUNCTIONS,
        ...bodied(
            'AWS::ApiGatewayV2::Api',
            {
                openapi: '3.0.1',
                info: { title: 'HttpOpenApi', version: '1' },
                components: {
                    securitySchemes: Object.fromEntries(
                        [
                            ['Regular', {}],
                            ['Simple', { enableSimpleResponses: true }],
                        ].map(([name, more]) => [
                            name,
                            scheme('request', {
                                authorizerPayloadFormatVersion: '2.0',
                                identitySource: HTTP_SOURCES.join(', '),
                                ...more,
                            }),
                        ]),
                    ),
                },
                paths: {
                    '/requestauthorizer': operation('Regular', { payloadFormatVersion: '2.0' }),
                    '/requestauthorizersimple': operation('Simple', {
                        payloadFormatVersion: '2.0',
                    }),
                },
            },
            {
                Stage: {
                    Type: 'AWS::ApiGatewayV2::Stage',
                    Properties: {
                        StageName: '$default',
                        ApiId: { Ref: 'HttpOpenApi' },
                        AutoDeploy: true,
                    },
                },
            },
        ),
    },
});

/* What each file of the cases is here: its document, and the stage of an endpoint. */
const TEMPLATES = {
    'cfn-apigw-v1.yaml': { make: cfnRest, kind: 'REST', stage: () => '/prod' },
    'cfn-apigw-v2.yaml': { make: cfnHttp, kind: 'HTTP', stage: () => '/prod' },
    'serverless-api-props.yaml': { make: samRest, kind: 'REST', stage: () => '/prod' },
    'serverless-http-props.yaml': { make: samHttp, kind: 'HTTP', stage: () => '/http' },
    'swagger-api.yaml': {
        make: openapiRest,
        kind: 'REST',
        stage: (target) => (target.endsWith('openapi') ? '/openapi' : '/swagger'),
    },
    'swagger-http.yaml': { make: openapiHttp, kind: 'HTTP', stage: () => '' },
};

/* ---- what AWS answers ---- */

/* The emulator's 502 on an authorizer's failure is its own, and its texts are those of REST. */
function expected(kind, status) {
    if (kind === 'REST') {
        return {
            401: [401, { message: 'Unauthorized' }],
            403: [403, { Message: 'User is not authorized to access this resource' }],
            502: [500, { message: null }],
        }[status];
    }
    return {
        401: [401, { message: 'Unauthorized' }],
        403: [403, { message: 'Forbidden' }],
        502: [500, { message: 'Internal Server Error' }],
    }[status];
}

/* Some parameters are left to the class of the test: they are known by what it is about. */
function parametersOf(one) {
    const given = one.params.parameter_overrides ?? {};
    return one.cls.endsWith('500') && Object.keys(given).length === 0
        ? { AuthHandler: 'app.throws_exception' }
        : given;
}

/* A case on a simple authorizer whose function throws sets its handler like all others. */
function groups(cases) {
    const all = new Map();
    for (const one of cases) {
        const file = path.basename(one.params.template_path);
        const parameters = parametersOf(one);
        const key = `${file} ${JSON.stringify(parameters)}`;
        all.set(key, { file, parameters, cases: [...(all.get(key)?.cases ?? []), one] });
    }
    return all;
}

const cases = existsSync(CASES) ? JSON.parse(readFileSync(CASES, 'utf8')) : [];
if (cases.length === 0) {
    test('skipped: ../shared not found', { skip: true }, () => {});
}

let answered = 0;
for (const [key, { file, parameters, cases: own }] of groups(cases)) {
    test(key, async (t) => {
        const { make, kind, stage } = TEMPLATES[file];
        const document = { Transform: 'AWS::Serverless-2016-10-31', ...make() };
        const gw = await start(
            t,
            {
                name: 'template.yaml',
                text: JSON.stringify(document, null, 2),
                files: { 'app/app.js': APP },
            },
            { params: parameters },
        );
        for (const one of own) {
            for (const { method, url, headers, query } of one.requests) {
                const target = new URL(url.replace('PORT', '80')).pathname;
                const search = new URLSearchParams(query).toString();
                const full = `${stage(target)}${target}${search && `?${search}`}`;
                const answer = await gw.request(method, full, { headers });
                const want = Object.fromEntries(one.expect);
                const [status, body] = expected(kind, want.$status) ?? [want.$status, want.$json];
                const what = `${one.cls} ${one.test} ${full}`;
                assert.equal(answer.status, status, `${what}: ${answer.body}\n${gw.transcript}`);
                assert.deepEqual(answer.json, body, what);
                answered++;
            }
        }
    });
}

test('every case was asked', () => {
    assert.equal(
        answered,
        cases.reduce((n, { requests }) => n + requests.length, 0),
    );
});
