/* SPDX-License-Identifier: Apache-2.0
 * Short words for HTTP APIs: httpApi({authorizers, routes}) is a CloudFormation template with its
 * functions' files, for start().
 */
import { fn } from './template.mjs';

const invocation = (name) => ({
    'Fn::Sub':
        'arn:aws:apigateway:${AWS::Region}:lambda:path/' +
        `2015-03-31/functions/\${${name}.Arn}/invocations`,
});

/** A REQUEST authorizer: its function and how the gateway asks it. */
export function guard(
    code,
    {
        version = '2.0',
        simple = false,
        sources = ['$request.header.Authorization'],
        ttl,
        ...options
    } = {},
) {
    return { fn: fn(code, options), version, simple, sources, ttl };
}

/** AWS_PROXY to a function. */
export function calls(code, { version = '2.0', integrationTimeout, ...options } = {}) {
    return { fn: fn(code, options), version, timeout: integrationTimeout };
}

/** HTTP_PROXY to `uri`; `request` and `answers` are parameter mappings. */
export function proxies(uri, { method = 'ANY', request = {}, answers = {}, timeout } = {}) {
    return { uri, method, request, answers, timeout };
}

/** The route behind this authorizer instead of the first; null: behind none. */
export const behind = (name, integration) => ({ ...integration, guard: name });
export const open = (integration) => behind(null, integration);

/* What SAM's and CloudFormation's documents call ResponseParameters. */
const responseParameters = (answers) =>
    Object.fromEntries(
        Object.entries(answers).map(([status, map]) => [
            status,
            {
                ResponseParameters: Object.entries(map).map(([Destination, Source]) => ({
                    Destination,
                    Source,
                })),
            },
        ]),
    );

class Template {
    resources = {};
    files = {};

    addFunction(name, { files, handler, timeout, env }) {
        this.resources[name] = {
            Type: 'AWS::Serverless::Function',
            Properties: {
                CodeUri: `./${name}`,
                Handler: handler,
                Runtime: 'nodejs20.x',
                Timeout: timeout,
                Environment: { Variables: { CALLS: `@CALLS@/${name}`, ...env } },
            },
        };
        for (const [file, text] of Object.entries(files)) {
            this.files[`${name}/${file}`] = text;
        }
    }

    addAuthorizer(name, api, { fn: code, version, simple, sources, ttl }) {
        this.addFunction(name, code);
        this.resources[`${name}Authorizer`] = {
            Type: 'AWS::ApiGatewayV2::Authorizer',
            Properties: {
                ApiId: { Ref: api },
                Name: name,
                AuthorizerType: 'REQUEST',
                AuthorizerUri: invocation(name),
                AuthorizerPayloadFormatVersion: version,
                ...(simple && { EnableSimpleResponses: true }),
                ...(sources.length > 0 && { IdentitySource: sources }),
                ...(ttl !== undefined && { AuthorizerResultTtlInSeconds: ttl }),
            },
        };
    }

    integration(api, id, { fn: code, version, uri, method, request, answers, timeout }) {
        if (code) {
            this.addFunction(`${id}Function`, code);
        }
        return {
            Type: 'AWS::ApiGatewayV2::Integration',
            Properties: {
                ApiId: { Ref: api },
                IntegrationType: code ? 'AWS_PROXY' : 'HTTP_PROXY',
                IntegrationUri: code ? invocation(`${id}Function`) : uri,
                IntegrationMethod: code ? 'POST' : method,
                PayloadFormatVersion: code ? version : '1.0',
                ...(timeout && { TimeoutInMillis: timeout }),
                ...(!code && { RequestParameters: request }),
                ...(!code &&
                    Object.keys(answers).length > 0 && {
                        ResponseParameters: responseParameters(answers),
                    }),
            },
        };
    }

    addRoute(api, key, { guard: name, ...integration }, first) {
        const id = `${api}Route${Object.keys(this.resources).length}`;
        const authorizer = name === undefined ? first : name;
        this.resources[`${id}Integration`] = this.integration(api, id, integration);
        this.resources[id] = {
            Type: 'AWS::ApiGatewayV2::Route',
            Properties: {
                ApiId: { Ref: api },
                RouteKey: key,
                Target: { 'Fn::Join': ['/', ['integrations', { Ref: `${id}Integration` }]] },
                ...(authorizer && {
                    AuthorizationType: 'CUSTOM',
                    AuthorizerId: { Ref: `${authorizer}Authorizer` },
                }),
            },
        };
    }

    addApi(api, { id, stage = '$default', variables, cors, authorizers = {}, routes }) {
        this.resources[api] = {
            Type: 'AWS::ApiGatewayV2::Api',
            Properties: {
                Name: api,
                ProtocolType: 'HTTP',
                ...(cors && { CorsConfiguration: cors }),
                ...(id && { Tags: { _custom_id_: id } }),
            },
        };
        this.resources[`${api}Stage`] = {
            Type: 'AWS::ApiGatewayV2::Stage',
            Properties: {
                ApiId: { Ref: api },
                StageName: stage,
                AutoDeploy: true,
                ...(variables && { StageVariables: variables }),
            },
        };
        for (const [name, one] of Object.entries(authorizers)) {
            this.addAuthorizer(name, api, one);
        }
        for (const [key, integration] of Object.entries(routes)) {
            this.addRoute(api, key, integration, Object.keys(authorizers)[0]);
        }
    }
}

/** A template with several APIs: {Name: what httpApi takes}. */
export function httpApis(apis) {
    const template = new Template();
    for (const [name, one] of Object.entries(apis)) {
        template.addApi(name, one);
    }
    return {
        name: 'template.yaml',
        text: JSON.stringify(
            {
                Transform: 'AWS::Serverless-2016-10-31',
                Resources: template.resources,
            },
            null,
            2,
        ),
        files: template.files,
        resources: template.resources,
    };
}

/**
 * One HTTP API: {stage, variables, cors, authorizers: {Name: guard(...)}, routes: {'GET /x':
 * calls(...) | proxies(...), $default: ...}}. The first authorizer guards every route that does not
 * say otherwise. Requests of the test name the stage themselves.
 */
export function httpApi(parts) {
    return httpApis({ Api: parts });
}
