/* SPDX-License-Identifier: Apache-2.0
 * The same answers as SAM and CloudFormation write them: GatewayResponses of an AWS::Serverless::Api,
 * and AWS::ApiGateway::GatewayResponse, RequestValidator and IntegrationResponses.
 */
import assert from 'node:assert/strict';
import { backend } from '../lib/backend.mjs';
import { start, test } from '../lib/daemon.mjs';
import { OBEDIENT, api, mock, token } from '../lib/template.mjs';

test("SAM's GatewayResponses", async (t) => {
    const project = api({ authorizer: token(OBEDIENT), routes: { 'GET /x': mock() } });
    const template = JSON.parse(project.text);
    template.Resources.Api.Properties.GatewayResponses = {
        DEFAULT_4XX: {
            ResponseParameters: { Headers: { 'Access-Control-Allow-Origin': "'*'" } },
        },
        UNAUTHORIZED: {
            StatusCode: 418,
            ResponseParameters: { Headers: { 'WWW-Authenticate': "'Bearer'" } },
            ResponseTemplates: { 'application/json': '{"say": $context.error.messageString}' },
        },
    };
    const gw = await start(t, { ...project, text: JSON.stringify(template) });
    const refused = await gw.get('/x');
    assert.deepEqual([refused.status, refused.body], [418, '{"say": "Unauthorized"}']);
    assert.equal(refused.headers['www-authenticate'], 'Bearer');
    assert.equal(refused.headers['access-control-allow-origin'], undefined);
    const unknown = await gw.get('/nowhere');
    assert.equal(unknown.status, 403);
    assert.equal(unknown.headers['access-control-allow-origin'], '*');
});

const ref = (name) => ({ Ref: name });

test("CloudFormation's resources", async (t) => {
    const behind = await backend(t, (request) => ({
        status: request.target.startsWith('/gone') ? 410 : 200,
        headers: { 'X-Total': '7' },
        body: 'whole',
    }));
    const method = (resource, properties, target) => ({
        Type: 'AWS::ApiGateway::Method',
        Properties: {
            RestApiId: ref('Api'),
            ResourceId: resource,
            HttpMethod: 'GET',
            AuthorizationType: 'NONE',
            MethodResponses: [
                {
                    StatusCode: '200',
                    ResponseParameters: { 'method.response.header.X-Total': true },
                },
                { StatusCode: '404' },
            ],
            Integration: {
                Type: 'HTTP',
                IntegrationHttpMethod: 'GET',
                Uri: `${behind.url}${target}`,
                IntegrationResponses: [
                    {
                        StatusCode: '200',
                        ResponseParameters: {
                            'method.response.header.X-Total':
                                'integration.response.header.X-Total',
                        },
                    },
                    {
                        StatusCode: '404',
                        SelectionPattern: '4\\d{2}',
                        ResponseTemplates: { 'application/json': '{"gone": true}' },
                    },
                ],
            },
            ...properties,
        },
    });
    const resource = (part) => ({
        Type: 'AWS::ApiGateway::Resource',
        Properties: {
            RestApiId: ref('Api'),
            ParentId: { 'Fn::GetAtt': ['Api', 'RootResourceId'] },
            PathPart: part,
        },
    });
    const template = {
        AWSTemplateFormatVersion: '2010-09-09',
        Resources: {
            Api: { Type: 'AWS::ApiGateway::RestApi', Properties: { Name: 'answers' } },
            Fine: resource('fine'),
            Gone: resource('gone'),
            Checked: {
                Type: 'AWS::ApiGateway::RequestValidator',
                Properties: { RestApiId: ref('Api'), ValidateRequestParameters: true },
            },
            GetFine: method(
                ref('Fine'),
                {
                    RequestValidatorId: ref('Checked'),
                    RequestParameters: { 'method.request.querystring.page': true },
                },
                '/fine',
            ),
            GetGone: method(ref('Gone'), {}, '/gone'),
            Bad: {
                Type: 'AWS::ApiGateway::GatewayResponse',
                Properties: {
                    RestApiId: ref('Api'),
                    ResponseType: 'BAD_REQUEST_PARAMETERS',
                    StatusCode: '422',
                },
            },
            Deployment: {
                Type: 'AWS::ApiGateway::Deployment',
                Properties: { RestApiId: ref('Api'), StageName: 'dev' },
            },
        },
    };
    const gw = await start(t, {
        name: 'template.yaml',
        text: JSON.stringify(template),
        stage: 'dev',
    });
    const fine = await gw.get('/fine?page=1');
    assert.deepEqual([fine.status, fine.body, fine.headers['x-total']], [200, 'whole', '7']);
    const gone = await gw.get('/gone');
    assert.deepEqual([gone.status, gone.body, gone.headers['x-total']], [404, '{"gone": true}', undefined]);
    const missing = await gw.get('/fine');
    assert.equal(missing.status, 422);
    assert.deepEqual(missing.json, { message: 'Missing required request parameters: [page]' });
});
