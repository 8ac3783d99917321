/* SPDX-License-Identifier: Apache-2.0
 * Versions and aliases of functions as templates have them: who is invoked by which name, what the
 * function sees of it, and that no environment serves two versions.
 */
import assert from 'node:assert/strict';
import { eventually, ropeline, start, test } from '../lib/daemon.mjs';
import { sam } from '../lib/template.mjs';

const HANDLER = `let n = 0;
exports.handler = async (event, context) => ({
    statusCode: 200,
    body: JSON.stringify({
        n: ++n,
        pid: process.pid,
        version: context.functionVersion,
        variable: process.env.AWS_LAMBDA_FUNCTION_VERSION,
        arn: context.invokedFunctionArn,
        stream: context.logStreamName,
        type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE,
    }),
});
`;
const ARN = 'arn:aws:lambda:us-east-1:123456789012:function';

const template = (functions, resources, files) =>
    sam(functions, resources, { 'fn/index.js': HANDLER, ...files });

const invoke = (gw, name, ...more) =>
    ropeline(['invoke', name, '--state', gw.state, '--json', ...more]);
const body = async (answer) => JSON.parse(JSON.parse((await answer).stdout).answer).body;
const seen = async (gw, name, ...more) => JSON.parse(await body(invoke(gw, name, ...more)));

test('AutoPublishAlias: events invoke the alias, which is version 1', async (t) => {
    const gw = await start(t, template({ Fn: { path: '/x', AutoPublishAlias: 'live' } }));
    const { version, variable, arn, stream } = (await gw.get('/x')).json;
    assert.deepEqual([version, variable, arn], ['1', '1', `${ARN}:Fn:live`]);
    assert.match(stream, /^\d{4}\/\d\d\/\d\d\/\[1\][0-9a-f]{32}$/);
    assert.match(gw.transcript, /START RequestId: \S+ Version: 1/);
});

test('each qualifier has its own ARN, and no environment serves two versions', async (t) => {
    const gw = await start(t, template({ Fn: { path: '/x', AutoPublishAlias: 'live' } }));
    const latest = await seen(gw, 'Fn');
    const one = await seen(gw, 'Fn', '--qualifier', '1');
    const live = await seen(gw, `${ARN}:Fn`, '--qualifier', 'live');
    const named = await seen(gw, 'Fn:live');
    assert.deepEqual([latest.version, latest.arn], ['$LATEST', `${ARN}:Fn`]);
    assert.deepEqual([one.version, one.arn], ['1', `${ARN}:Fn:1`]);
    assert.deepEqual([live.version, live.arn], ['1', `${ARN}:Fn:live`]);
    assert.match(latest.stream, /\[\$LATEST\]/);
    assert.notEqual(latest.pid, one.pid);
    assert.deepEqual([live.pid, live.n, named.n], [one.pid, 2, 3]); // the alias is that version
    const none = await invoke(gw, 'Fn', '--qualifier', 'prod');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /no function of that name/);
});

test('authorizers and integrations name versions and aliases of CloudFormation', async (t) => {
    const uri = (resource) => ({
        'Fn::Sub':
            'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/' +
            `\${${resource}}/invocations`,
    });
    const method = (path, resource) => ({
        Type: 'AWS::ApiGateway::Method',
        Properties: {
            RestApiId: { Ref: 'Rest' },
            ResourceId: { Ref: path },
            HttpMethod: 'GET',
            AuthorizationType: 'NONE',
            Integration: {
                Type: 'AWS_PROXY',
                IntegrationHttpMethod: 'POST',
                Uri: uri(resource),
            },
        },
    });
    const resource = (part) => ({
        Type: 'AWS::ApiGateway::Resource',
        Properties: {
            RestApiId: { Ref: 'Rest' },
            ParentId: { 'Fn::GetAtt': ['Rest', 'RootResourceId'] },
            PathPart: part,
        },
    });
    const gw = await start(t, {
        ...template(
            { Fn: {} },
            {
                Version: {
                    Type: 'AWS::Lambda::Version',
                    Properties: { FunctionName: { Ref: 'Fn' } },
                },
                Alias: {
                    Type: 'AWS::Lambda::Alias',
                    Properties: {
                        FunctionName: { Ref: 'Fn' },
                        FunctionVersion: { 'Fn::GetAtt': ['Version', 'Version'] },
                        Name: 'stable',
                    },
                },
                Rest: { Type: 'AWS::ApiGateway::RestApi', Properties: { Name: 'r' } },
                ByVersion: resource('version'),
                ByAlias: resource('alias'),
                Plain: resource('plain'),
                GetVersion: method('ByVersion', 'Version'),
                GetAlias: method('ByAlias', 'Alias'),
                GetPlain: method('Plain', 'Fn.Arn'),
                Deployment: {
                    Type: 'AWS::ApiGateway::Deployment',
                    DependsOn: ['GetVersion'],
                    Properties: { RestApiId: { Ref: 'Rest' }, StageName: 'Prod' },
                },
            },
        ),
    });
    const of = async (path) => {
        const { version, arn } = (await gw.get(path)).json;
        return [version, arn];
    };
    assert.deepEqual(await of('/version'), ['1', `${ARN}:Fn:1`]);
    assert.deepEqual(await of('/alias'), ['1', `${ARN}:Fn:stable`]);
    assert.deepEqual(await of('/plain'), ['$LATEST', `${ARN}:Fn`]);
});

test('a qualifier that the document does not have is refused by name', async (t) => {
    const sound = template({ Fn: { path: '/x', AutoPublishAlias: 'live' } });
    const gw = await start(t, sound);
    const broken = JSON.parse(sound.text);
    broken.Resources.Other = {
        Type: 'AWS::Serverless::Api',
        Properties: {
            StageName: 'other',
            DefinitionBody: {
                openapi: '3.0.1',
                info: { title: 'o', version: '1' },
                paths: {
                    '/y': {
                        get: {
                            'x-amazon-apigateway-integration': {
                                type: 'aws_proxy',
                                httpMethod: 'POST',
                                uri: {
                                    'Fn::Sub':
                                        'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31' +
                                        '/functions/${Fn.Arn}:prod/invocations',
                                },
                            },
                        },
                    },
                },
            },
        },
    };
    gw.write('template.yaml', JSON.stringify(broken));
    await eventually('it is refused', () => gw.transcript.includes('not reloaded'));
    assert.match(
        gw.transcript,
        /template\.yaml:\d+:\d+: error: uri: the function Fn has no version or alias prod in this document; it has \$LATEST, 1, live/,
    );
    assert.equal((await gw.get('/x')).json.version, '1');
});

test('a change of the code makes other versions; the busy environment finishes', async (t) => {
    const slow = (what) => `exports.handler = async (event) => {
        if (event.queryStringParameters) await new Promise((ok) => setTimeout(ok, 1500));
        return { body: '${what}' };
    };\n`;
    const gw = await start(
        t,
        template(
            { Fn: { path: '/x', AutoPublishAlias: 'live' } },
            {},
            { 'fn/index.js': slow('old') },
        ),
    );
    assert.equal((await gw.get('/x')).body, 'old');
    const under = gw.get('/x?slow=1');
    gw.write('fn/index.js', slow('new'));
    await eventually('it is reloaded', () => gw.transcript.includes('reloaded'));
    assert.equal((await gw.get('/x')).body, 'new');
    assert.equal((await under).body, 'old');
    await eventually('the old environment is gone', () =>
        gw.functions().length === 1 && gw.templates().length <= 1);
});
