/* SPDX-License-Identifier: Apache-2.0
 * Short words for the documents that tests run: api({authorizer, routes}) is a SAM template with
 * its functions' files, openapi(...) the same API as a bare OpenAPI document.
 */

/* In front of every handler: what it may use, and a line in $CALLS for each call. */
const PRELUDE = `'use strict';
const { appendFileSync } = require('node:fs');
const statement = (Effect, Resource) => ({ Action: 'execute-api:Invoke', Effect, Resource });
const policy = (...Statement) => ({ Version: '2012-10-17', Statement });
const allow = (Resource = '*', more) =>
    ({ principalId: 'ana', policyDocument: policy(statement('Allow', Resource)), ...more });
const deny = (Resource = '*', more) =>
    ({ principalId: 'ana', policyDocument: policy(statement('Deny', Resource)), ...more });
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const { CALLS } = process.env;
const called = (event) => CALLS && appendFileSync(CALLS, JSON.stringify(event) + '\\n');
`;

/** A function: an expression that is a handler, or a whole module, or {files, handler, runtime}. */
export function fn(
    code,
    { timeout = 10, env = {}, handler = 'index.handler', runtime = 'nodejs20.x', files = {} } = {},
) {
    const isModule =
        typeof code === 'string' && /^\s*(exports\.|import |module\.)|\bexport /m.test(code);
    const source =
        code === undefined
            ? {}
            : isModule
              ? { 'index.js': code }
              : {
                    'index.js': `${PRELUDE}const handler = ${code};
exports.handler = handler.length >= 3
    ? (event, context, callback) => { called(event); return handler(event, context, callback); }
    : (event, context) => { called(event); return handler(event, context); };\n`,
                };
    return { files: { ...source, ...files }, handler, runtime, timeout, env };
}

/** A TOKEN authorizer: its function and how the gateway asks it. */
export function token(code, { ttl = 0, header = 'Authorization', validation, ...options } = {}) {
    return { fn: fn(code, options), ttl, header, validation };
}

/** A REQUEST authorizer; `sources` as API Gateway writes identitySource ('' = none). */
export function request(code, { ttl = 0, sources = '', ...options } = {}) {
    return { fn: fn(code, options), ttl, sources };
}

const PATH_VARIABLES = /\{(\w+)\+?\}/g;

/** HTTP_PROXY to `uri`; {x} in it is the path variable x. */
export function http(uri, { map = {}, method = 'ANY', timeout } = {}) {
    const requestParameters = {};
    for (const [, name] of uri.matchAll(PATH_VARIABLES)) {
        requestParameters[`integration.request.path.${name}`] = `method.request.path.${name}`;
    }
    for (const [target, source] of Object.entries(map)) {
        requestParameters[`integration.request.${target}`] = source;
    }
    return {
        type: 'http_proxy',
        uri: uri.replaceAll('+}', '}'),
        httpMethod: method,
        requestParameters,
        passthroughBehavior: 'when_no_match',
        ...(timeout && { timeoutInMillis: timeout }),
    };
}

/** AWS_PROXY to a function. */
export function lambda(code, { integrationTimeout, ...options } = {}) {
    return { type: 'aws_proxy', fn: fn(code, options), integrationTimeout };
}

/** MOCK with one answer. */
export function mock(status = 200, body, headers = {}) {
    const responseParameters = {};
    for (const [name, value] of Object.entries(headers)) {
        responseParameters[`method.response.header.${name}`] = `'${value}'`;
    }
    return {
        type: 'mock',
        requestTemplates: { 'application/json': `{"statusCode": ${status}}` },
        responses: {
            default: {
                statusCode: String(status),
                responseParameters,
                ...(body !== undefined && { responseTemplates: { 'application/json': body } }),
            },
        },
    };
}

/** A route whose operation says more than its integration: parameters, responses, a validator. */
export function saying(operation, integration) {
    return { ...integration, operation };
}

/** A route without the authorizer. */
export function open(integration) {
    return { ...integration, open: true };
}

/** A route that another authorizer than the first guards. */
export function guardedBy(name, integration) {
    return { ...integration, guard: name };
}

const invocation = (resource) => ({
    'Fn::Sub':
        'arn:aws:apigateway:${AWS::Region}:lambda:path/' +
        `2015-03-31/functions/\${${resource}.Arn}/invocations`,
});

class Document {
    resources = {};
    files = {};

    addFunction(name, { files, handler, runtime, timeout, env }) {
        this.resources[name] = {
            Type: 'AWS::Serverless::Function',
            Properties: {
                CodeUri: `./${name}`,
                Handler: handler,
                Runtime: runtime,
                Timeout: timeout,
                Environment: { Variables: { CALLS: `@CALLS@/${name}`, ...env } },
            },
        };
        for (const [file, text] of Object.entries(files)) {
            this.files[`${name}/${file}`] = text;
        }
    }

    scheme(name, { fn: guard, ttl, header, validation, sources }) {
        this.addFunction(name, guard);
        if (sources !== undefined) {
            return {
                type: 'apiKey',
                name: 'Unused',
                in: 'header',
                'x-amazon-apigateway-authtype': 'custom',
                'x-amazon-apigateway-authorizer': {
                    type: 'request',
                    authorizerUri: invocation(name),
                    ...(sources && { identitySource: sources }),
                    ...(ttl !== undefined && { authorizerResultTtlInSeconds: ttl }),
                },
            };
        }
        return {
            type: 'apiKey',
            name: header,
            in: 'header',
            'x-amazon-apigateway-authtype': 'custom',
            'x-amazon-apigateway-authorizer': {
                type: 'token',
                authorizerUri: invocation(name),
                ...(ttl !== undefined && { authorizerResultTtlInSeconds: ttl }),
                ...(validation && { identityValidationExpression: validation }),
            },
        };
    }

    operation(
        route,
        { fn: handler, open: isOpen, guard, integrationTimeout, operation: more, ...integration },
        first,
    ) {
        const operation = { responses: {}, ...more };
        const guardName = guard ?? first;
        if (!isOpen && guardName) {
            operation.security = [{ [guardName]: [] }];
        }
        if (handler) {
            const name = `Function${Object.keys(this.resources).length}`;
            this.addFunction(name, handler);
            integration.httpMethod = 'POST';
            integration.uri = invocation(name);
            if (integrationTimeout) {
                integration.timeoutInMillis = integrationTimeout;
            }
            this.routes = { ...this.routes, [route]: name };
        }
        operation['x-amazon-apigateway-integration'] = integration;
        return operation;
    }
}

function build({ authorizer, authorizers = authorizer ? { Guard: authorizer } : {}, routes }) {
    const document = new Document();
    const schemes = {};
    const paths = {};
    for (const [name, one] of Object.entries(authorizers)) {
        schemes[name] = document.scheme(name, one);
    }
    for (const [route, integration] of Object.entries(routes)) {
        const [verb, path] = route.split(' ');
        const key = verb === 'ANY' ? 'x-amazon-apigateway-any-method' : verb.toLowerCase();
        paths[path] ??= {};
        paths[path][key] = document.operation(route, integration, Object.keys(authorizers)[0]);
    }
    document.openapi = {
        openapi: '3.0.1',
        info: { title: 'test', version: '1' },
        paths,
        components: { securitySchemes: schemes },
    };
    return document;
}

/** A SAM template and its files, for start(). */
export function api({ stage = 'dev', parameters, variables, tags, extra = {}, ...parts }) {
    const document = build(parts);
    const template = {
        AWSTemplateFormatVersion: '2010-09-09',
        Transform: 'AWS::Serverless-2016-10-31',
        ...(parameters && { Parameters: parameters }),
        Resources: {
            Api: {
                Type: 'AWS::Serverless::Api',
                Properties: {
                    StageName: stage,
                    DefinitionBody: { ...document.openapi, ...extra },
                    ...(variables && { Variables: variables }),
                    ...(tags && { Tags: tags }),
                },
            },
            ...document.resources,
        },
    };
    return {
        name: 'template.yaml',
        text: JSON.stringify(template, null, 2),
        files: document.files,
        routes: document.routes,
        stage,
    };
}

/** The same API as a bare OpenAPI document; its functions come by --function. */
export function openapi({ extra = {}, ...parts }) {
    const document = build(parts);
    const text = JSON.stringify(
        { ...document.openapi, ...extra },
        (key, value) =>
            value && value['Fn::Sub']
                ? value['Fn::Sub']
                      .replace('${AWS::Region}', 'us-east-1')
                      .replace(
                          /\$\{(\w+)\.Arn\}/,
                          'arn:aws:lambda:us-east-1:123456789012:function:$1',
                      )
                : value,
        2,
    );
    const args = Object.entries(document.resources).flatMap(([name, { Properties }]) => [
        '--function',
        `${name}=@DIR@/${name}:${Properties.Handler}`,
    ]);
    return { name: 'openapi.yaml', text, files: document.files, args, stage: 'dev' };
}

/**
 * An authorizer that does as its token says: {returns}, {throws}, {sleeps}, {exits}. "$arn" in what
 * it returns stands for the methodArn, "$api" for its part before the stage.
 */
export const OBEDIENT = `async (event) => {
    const order = JSON.parse(Buffer.from(event.authorizationToken, 'base64url').toString());
    if (order.sleeps) await sleep(order.sleeps);
    if (order.exits !== undefined) process.exit(order.exits);
    if (order.throws !== undefined) throw new Error(order.throws);
    const text = JSON.stringify(order.returns ?? null)
        .replaceAll('$arn', event.methodArn).replaceAll('$api', event.methodArn.split('/')[0]);
    return JSON.parse(text);
}`;

export const order = (what) => Buffer.from(JSON.stringify(what)).toString('base64url');
/** The token on which OBEDIENT returns this. */
export const returning = (value) => order({ returns: value });
export const throwing = (message) => order({ throws: message });

export const statement = (Effect, Resource, more = {}) => ({
    Action: 'execute-api:Invoke',
    Effect,
    Resource,
    ...more,
});
/** The token on which OBEDIENT returns a policy of these statements. */
export const policy = (...Statement) =>
    returning({ principalId: 'ana', policyDocument: { Version: '2012-10-17', Statement } });
/** The token on which OBEDIENT allows this resource. */
export const allowing = (resource = '*') => policy(statement('Allow', resource));

/** A SAM template of functions as they are written: {LogicalId: properties}, where `path` is a GET
 *  of the API that they share; then other resources, and files of the project. */
export function sam(functions, resources = {}, files = {}) {
    const all = { ...resources };
    for (const [name, { path, ...properties }] of Object.entries(functions)) {
        all[name] = {
            Type: 'AWS::Serverless::Function',
            Properties: {
                ...(!properties.InlineCode && { CodeUri: './fn' }),
                Handler: 'index.handler',
                Runtime: 'nodejs20.x',
                Timeout: 10,
                ...properties,
                ...(path && {
                    Events: { Get: { Type: 'Api', Properties: { Path: path, Method: 'get' } } },
                }),
            },
        };
    }
    return {
        name: 'template.yaml',
        stage: 'Prod',
        text: JSON.stringify({
            AWSTemplateFormatVersion: '2010-09-09',
            Transform: 'AWS::Serverless-2016-10-31',
            Resources: all,
        }),
        files,
    };
}
