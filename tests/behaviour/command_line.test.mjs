/* SPDX-License-Identifier: Apache-2.0
 * The verbs that need no daemon: check, token, init, doctor, policy eval, help. Exit 0 is ok, 1 is
 * failed or refused, 2 is wrong use.
 */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import {
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { request, ropeline, start, test } from '../lib/daemon.mjs';
import { OBEDIENT, api, mock, open, statement, token } from '../lib/template.mjs';

function folder(t, files = {}) {
    const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-cli-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    for (const [name, text] of Object.entries(files)) {
        mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
        writeFileSync(path.join(dir, name), text);
    }
    return dir;
}

test('--version and --help say what there is; an unknown verb is exit 2', async () => {
    const version = await ropeline(['--version']);
    assert.equal(version.code, 0);
    assert.match(version.stdout, /^ropeline \d+\.\d+\.\d+\n$/);
    const help = await ropeline(['--help']);
    assert.equal(help.code, 0);
    for (const verb of [
        'init',
        'dev',
        'serve',
        'check',
        'doctor',
        'token',
        'explain',
        'invoke',
        'logs',
        'cache',
        'users',
        'roles',
        'policy',
    ]) {
        assert.match(help.stdout, new RegExp(`^  ${verb} `, 'm'));
        const own = await ropeline([verb, '--help']);
        assert.equal(own.code, 0, verb);
        assert.match(own.stdout, /usage: ropeline/, verb);
    }
    const unknown = await ropeline(['fly']);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /fly/);
    assert.equal((await ropeline([])).code, 2);
});

/* ---- check ---- */

const files = () => {
    const project = api({
        authorizer: token(OBEDIENT),
        routes: { 'GET /x': mock(), 'GET /open': open(mock()) },
    });
    return { ...project.files, 'template.yaml': project.text };
};

test('check accepts a good template and shows its routes with --print', async (t) => {
    const cwd = folder(t, files());
    const good = await ropeline(['check', 'template.yaml', '--print'], { cwd });
    assert.equal(good.code, 0, good.all);
    assert.match(good.stdout, /GET\s+\/dev\/x\s+Guard\s+MOCK/);
    assert.match(good.stdout, /GET\s+\/dev\/open\s+open\s+MOCK/);
});

test('check names file, line and column of every error, and is exit 1', async (t) => {
    const cwd = folder(t, {
        'bad.yaml':
            'openapi: 3.0.1\ninfo: {title: a, version: "1"}\npaths:\n  /x:\n    get:\n      security: [{Nobody: []}]\n' +
            '      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: \'{"statusCode": 200}\'}}\n',
    });
    const bad = await ropeline(['check', 'bad.yaml'], { cwd });
    assert.equal(bad.code, 1);
    assert.match(bad.all, /bad\.yaml:6:\d+: error: .*Nobody/);
    const json = await ropeline(['check', 'bad.yaml', '--json'], { cwd });
    assert.equal(json.code, 1);
    const [finding] = JSON.parse(json.stdout).filter(({ severity }) => severity === 'error');
    assert.deepEqual([finding.file, finding.line], ['bad.yaml', 6]);
});

test('check shows what a document says without its control characters', async (t) => {
    const integration = { type: 'mock', requestTemplates: { 'application/json': '{"statusCode": 200}' } };
    const cwd = folder(t, {
        'bad.json': JSON.stringify({
            openapi: '3.0.1',
            info: { title: 'a', version: '1' },
            paths: {
                '/a\u001b[31m\n\u202eb': { get: { 'x-amazon-apigateway-integration': integration } },
            },
        }),
    });
    const { code, all } = await ropeline(['check', 'bad.json'], { cwd });
    assert.equal(code, 1);
    assert.match(all, /the path part "a\?\[31m\?\?+b"/);
});

test('check needs no code: what is missing is a note', async (t) => {
    const { 'template.yaml': text } = files();
    const cwd = folder(t, { 'template.yaml': text });
    const { code, all } = await ropeline(['check', 'template.yaml'], { cwd });
    assert.equal(code, 0, all);
    assert.match(all, /note: .*Guard/);
});

test('check judges several files and fails if one is bad', async (t) => {
    const cwd = folder(t, { ...files(), 'broken.yaml': ': [' });
    const { code, all } = await ropeline(['check', 'template.yaml', 'broken.yaml', 'absent.yaml'], {
        cwd,
    });
    assert.equal(code, 1);
    assert.match(all, /template\.yaml: ok/);
    assert.match(all, /broken\.yaml:\d+:\d+: error/);
    assert.match(all, /absent\.yaml/);
    assert.equal((await ropeline(['check'])).code, 2);
});

test('check refuses unknown keys of ropeline.yaml', async (t) => {
    const cwd = folder(t, {
        ...files(),
        'ropeline.yaml':
            'apis:\n  - template: template.yaml\nlisten: {gatevay: "127.0.0.1:1"}\nworkerz: 2\n',
    });
    const { code, all } = await ropeline(['check', 'ropeline.yaml'], { cwd });
    assert.equal(code, 1);
    assert.match(all, /ropeline\.yaml:3:\d+: error: .*gatevay/);
    assert.match(all, /ropeline\.yaml:4:\d+: error: .*workerz/);
});

test('functions of ropeline.yaml and of --function are joined; the flag wins', async (t) => {
    const on = (name) =>
        `  ${name}: {Type: AWS::Serverless::Function, Properties: {Handler: i.h, Runtime: nodejs20.x,` +
        ` CodeUri: s3://b/k, Events: {E: {Type: Api, Properties: {Path: /${name}, Method: get}}}}}\n`;
    const cwd = folder(t, {
        'template.yaml': `Resources:\n${on('A')}${on('B')}${on('C')}`,
        'a/i.js': '',
        'b/i.js': '',
        'ropeline.yaml':
            'apis: [{template: template.yaml}]\nregion: eu-west-1\nfunctions:\n' +
            '  A: {code: a, handler: i.h}\n  arn:aws:lambda:eu-west-1:123456789012:function:B:' +
            ' {code: a, handler: i.h, runtime: python3.11}\n',
    });
    const { code, all } = await ropeline(['check', 'ropeline.yaml', '--function', 'B=b:i.h'], {
        cwd,
    });
    assert.equal(code, 0, all);
    assert.match(all, /note: .*\bC\b.*S3/);
    assert.doesNotMatch(all, /note: .*\b[AB]\b.*S3/);
});

test('ropeline.yaml gives an API another id, stage and stage variables', async (t) => {
    const yaml = (more) => `apis: [{template: template.yaml, ${more}}]\n`;
    const api = (name) =>
        `  ${name}: {Type: AWS::Serverless::Api, Properties: {StageName: dev, Variables: {b: old},` +
        ' DefinitionBody: {swagger: "2.0", paths: {/x: {get: {x-amazon-apigateway-integration: {' +
        'type: http_proxy, httpMethod: GET, uri: "${stageVariables.a}${stageVariables.b}"}}}}}}}\n';
    const cwd = folder(t, {
        'template.yaml': `Resources:\n${api('Api')}`,
        'two.yaml': `Resources:\n${api('Api')}${api('Other')}`,
        'ropeline.yaml': yaml('id: shop, stage: live, variables: {a: "http://", b: backend}'),
        'bad/ropeline.yaml': 'apis: [{template: ../two.yaml, id: shop}]\n',
        'none/ropeline.yaml': 'apis: [{template: ../template.yaml, variables: [a]}]\n',
    });
    const good = await ropeline(['check', 'ropeline.yaml', '--print'], { cwd });
    assert.equal(good.code, 0, good.all);
    assert.match(good.stdout, /GET\s+\/live\/x/);
    const bad = await ropeline(['check', 'bad/ropeline.yaml'], { cwd });
    assert.equal(bad.code, 1);
    assert.match(bad.all, /error: ropeline\.yaml gives an id for one API, but .* several/);
    assert.match((await ropeline(['check', 'none/ropeline.yaml'], { cwd })).all, /NAME: VALUE/);
});

/* ---- token ---- */

const decode = (jwt) =>
    jwt
        .trim()
        .split('.')
        .slice(0, 2)
        .map((part) => JSON.parse(Buffer.from(part, 'base64url')));

test('token signs what it is told with the key it is given', async (t) => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const cwd = folder(t, { 'k.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }) });
    const { code, stdout } = await ropeline(
        [
            'token',
            '--key',
            'k.pem',
            '--sub',
            'ana',
            '--role',
            'editor',
            '--iss',
            'me',
            '--aud',
            'you',
            '--ttl',
            '90s',
            '--kid',
            'k1',
            '--claim',
            'n=7',
            '--claim',
            'list=["a"]',
            '--claim',
            'text=a b',
        ],
        { cwd },
    );
    assert.equal(code, 0);
    const [header, claims] = decode(stdout);
    assert.equal(header.alg, 'RS256');
    assert.equal(header.kid, 'k1');
    const { iat, exp, ...rest } = claims;
    assert.deepEqual(rest, {
        sub: 'ana',
        role: 'editor',
        iss: 'me',
        aud: 'you',
        n: 7,
        list: ['a'],
        text: 'a b',
    });
    assert.equal(exp - iat, 90);
    assert.ok(Math.abs(iat - Date.now() / 1000) < 30);
    const [body, signature] = [
        stdout.trim().slice(0, stdout.lastIndexOf('.')),
        stdout.trim().split('.')[2],
    ];
    assert.ok(verify('sha256', Buffer.from(body), publicKey, Buffer.from(signature, 'base64url')));
});

test('token --expired has expired; other algorithms sign as well', async (t) => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const ed = generateKeyPairSync('ed25519');
    const cwd = folder(t, {
        'ec.pem': ec.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        'ed.pem': ed.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        hs: 'a secret of sufficient length, 32 bytes',
    });
    for (const [alg, key] of [
        ['ES256', 'ec.pem'],
        ['EdDSA', 'ed.pem'],
        ['HS256', 'hs'],
    ]) {
        const { code, stdout, stderr } = await ropeline(
            ['token', '--key', key, '--alg', alg, '--expired'],
            { cwd },
        );
        assert.equal(code, 0, `${alg}: ${stderr}`);
        const [header, claims] = decode(stdout);
        assert.equal(header.alg, alg);
        assert.ok(claims.exp < Date.now() / 1000 && claims.iat < claims.exp);
    }
});

test('token refuses a wrong key, a wrong algorithm and wrong use', async (t) => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const cwd = folder(t, {
        'k.pem': privateKey.export({ type: 'pkcs8', format: 'pem' }),
        'not.pem': 'hello',
    });
    assert.equal((await ropeline(['token', '--key', 'absent.pem'], { cwd })).code, 1);
    assert.equal((await ropeline(['token', '--key', 'not.pem'], { cwd })).code, 1);
    assert.equal((await ropeline(['token', '--key', 'k.pem', '--alg', 'ES256'], { cwd })).code, 1);
    assert.equal((await ropeline(['token', '--key', 'k.pem', '--alg', 'none'], { cwd })).code, 1);
    assert.equal((await ropeline(['token', '--key', 'k.pem', '--ttl', 'soon'], { cwd })).code, 2);
    assert.equal((await ropeline(['token', '--key', 'k.pem', '--claim', 'x'], { cwd })).code, 2);
    assert.equal((await ropeline(['token', '--nonsense'], { cwd })).code, 2);
});

/* ---- init ---- */

test('init makes a project that check accepts and that serves', async (t) => {
    const cwd = folder(t);
    const made = await ropeline(['init', 'demo'], { cwd });
    assert.equal(made.code, 0, made.all);
    const demo = path.join(cwd, 'demo');
    assert.equal(statSync(path.join(demo, 'keys/dev.pem')).mode & 0o777, 0o600);
    createPublicKey(readFileSync(path.join(demo, 'authorizer/dev.pub.pem')));
    assert.match(readFileSync(path.join(demo, 'authorizer/.npmrc'), 'utf8'), /package-lock=false/);
    assert.match(
        JSON.parse(readFileSync(path.join(demo, 'authorizer/package.json'))).dependencies
            .jsonwebtoken,
        /^\d+\.\d+\.\d+$/,
    );
    assert.ok(existsSync(path.join(demo, 'README.md')));
    const check = await ropeline(['check', 'template.yaml', '--print'], { cwd: demo });
    assert.equal(check.code, 0, check.all);
    assert.match(check.stdout, /GET\s+\/dev\/hello\s+Guard/);
    const again = await ropeline(['init', 'demo'], { cwd });
    assert.equal(again.code, 1, 'nothing is overwritten');
    assert.equal((await ropeline(['init'])).code, 2);
});

test("init's project says hello to whoever its token names", async (t) => {
    const cwd = folder(t);
    await ropeline(['init', 'demo'], { cwd });
    const demo = path.join(cwd, 'demo');
    const installed = new URL('../../examples/guide/authorizer/node_modules', import.meta.url);
    if (!existsSync(installed)) {
        t.skip('jsonwebtoken is not installed: (cd examples/guide/authorizer && npm install)');
        return;
    }
    cpSync(installed, path.join(demo, 'authorizer/node_modules'), { recursive: true });
    const gw = await start(t, { name: path.join(demo, 'template.yaml'), stage: 'dev' });
    assert.equal((await gw.get('/hello')).status, 401);
    const { stdout } = await ropeline(['token', '--sub', 'ana'], { cwd: demo });
    const answer = await gw.get('/hello', { token: `Bearer ${stdout.trim()}` });
    assert.deepEqual([answer.status, answer.body], [200, '{"hello":"ana"}']);
    const late = await ropeline(['token', '--sub', 'ana', '--expired'], { cwd: demo });
    assert.equal((await gw.get('/hello', { token: `Bearer ${late.stdout.trim()}` })).status, 401);
});

/* ---- doctor, policy ---- */

test('doctor says what this machine gives', async () => {
    const { code, stdout } = await ropeline(['doctor']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /node/);
    const { stdout: json } = await ropeline(['doctor', '--json']);
    const names = JSON.parse(json).map(({ name }) => name);
    assert.ok(names.includes('node') && names.includes('isolation'), json);
    const without = await ropeline(['doctor'], {
        env: { PATH: '/nonexistent', ROPELINE_NODE: '' },
    });
    assert.equal(without.code, 1);
});

const ARN = 'arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod/GET/orders/42';
const document = (...Statement) => ({ Version: '2012-10-17', Statement });
const verdicts = [
    ['ALLOW', document(statement('Allow', '*'))],
    ['ALLOW', document(statement('Allow', 'arn:aws:execute-api:eu-west-1:*'))],
    ['EXPLICIT_DENY', document(statement('Allow', '*'), statement('Deny', '*/orders/*'))],
    ['IMPLICIT_DENY', document(statement('Allow', '*/GET/orders'))],
    ['IMPLICIT_DENY', document()],
    ['INVALID', document({ Effect: 'Allow' })],
    ['INVALID', document({ effect: 'Allow', action: '*', resource: '*' })],
    ['INVALID', 'text'],
    ['INVALID', { Version: '2020-01-01', Statement: [statement('Allow', '*')] }],
];
test('policy eval answers line for line', async () => {
    const lines = verdicts.map(([, policy], i) =>
        JSON.stringify({
            id: i,
            policy,
            request: { methodArn: ARN, action: 'execute-api:Invoke' },
        }),
    );
    const { code, stdout } = await ropeline(['policy', 'eval', '--jsonl'], {
        input: `${lines.join('\n')}\n`,
    });
    assert.equal(code, 0);
    assert.deepEqual(
        stdout
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line)),
        verdicts.map(([verdict], id) => ({ id, verdict })),
    );
});

test('policy eval judges the action it is given, and calls nonsense INVALID', async () => {
    const policy = document({ ...statement('Allow', '*'), Action: 'execute-api:InvalidateCache' });
    const line = (action) =>
        JSON.stringify({ id: action, policy, request: { methodArn: ARN, action } });
    const { stdout } = await ropeline(['policy', 'eval', '--jsonl'], {
        input: [
            line('execute-api:InvalidateCache'),
            line('execute-api:Invoke'),
            'nonsense',
            '{"id":1}',
        ].join('\n'),
    });
    assert.deepEqual(
        stdout
            .trim()
            .split('\n')
            .map((one) => JSON.parse(one).verdict),
        ['ALLOW', 'IMPLICIT_DENY', 'INVALID', 'INVALID'],
    );
    assert.equal((await ropeline(['policy', 'eval'])).code, 2);
});

test("the daemon's own flags come from the environment too, and a flag wins", async (t) => {
    const gw = await start(
        t,
        { ...api({ routes: { 'GET /x': mock() } }) },
        { env: { ROPELINE_GATEWAY: '127.0.0.1:1', ROPELINE_WORKERS: '1' } },
    );
    assert.notEqual(gw.port, 1);
    assert.equal((await request(gw.port, 'GET', '/dev/x')).status, 200);
});
