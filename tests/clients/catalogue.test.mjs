/* SPDX-License-Identifier: Apache-2.0
 * Published authorizers run unmodified: the TOKEN, REQUEST and HTTP API functions (Node, Python and
 * custom runtimes) of the catalogue ../shared/handlers/catalogue.json, each behind a gateway of its
 * own, must get the statuses that the catalogue says.
 *
 * Their sources are other people's and never in this repository. Whoever runs this fetches them from
 * the repositories that the catalogue names into DIR/<name>/<file>, applies its `edits`, and says
 *     node tests/clients/catalogue.test.mjs --sources DIR      (or ROPELINE_HANDLER_SOURCES=DIR)
 * Without that DIR is ../handler-sources; an entry that is not there is skipped. What it needs from
 * npm or PyPI is installed into a temporary folder; without a Debian package that it needs it is
 * skipped.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
    chmodSync,
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { start, test } from '../lib/daemon.mjs';
import { api, lambda, mock } from '../lib/template.mjs';
import { jwt, rsa } from '../lib/tokens.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CATALOGUE = path.join(ROOT, '../shared/handlers/catalogue.json');
const flag = process.argv.indexOf('--sources');
const SOURCES = path.resolve(
    flag > 0
        ? process.argv[flag + 1]
        : (process.env.ROPELINE_HANDLER_SOURCES ?? path.join(ROOT, '../handler-sources')),
);

const PYTHON = process.env.ROPELINE_PYTHON || '/usr/bin/python3';

/* What the catalogue's edit says of the tutorial's function.sh: the echo become an authorizer. */
const HANDLER_SH = `function handler () {
  effect=Deny
  [[ "$1" == *'"authorizationToken":"allow"'* ]] && effect=Allow
  echo '{"principalId":"user","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":' \\
    '"execute-api:Invoke","Effect":"'$effect'","Resource":"*"}]}}'
}
`;

/** Why what an entry needs is not there, or nothing. Debian has PyPI's packages, too. */
function lacks(entry) {
    const fromPip = (entry.deps.pip ?? '').split(' ').map((name) => name && `python3-${name}`);
    for (const name of [...(entry.deps.apt ?? '').split(' '), ...fromPip].filter(Boolean)) {
        const [program, ...args] = name.startsWith('python3-')
            ? [PYTHON, '-c', `import ${name.slice(8)}`]
            : [name, '--version'];
        try {
            execFileSync(program, args, { stdio: 'ignore' });
        } catch {
            return `${name} is not installed`;
        }
    }
    return undefined;
}

/** What Secrets Manager says of any secret. */
async function secretsManager(t) {
    const server = http.createServer((rq, rs) => {
        rs.setHeader('Content-Type', 'application/x-amz-json-1.1');
        rq.resume().on('end', () => rs.end('{"Name":"origin-secret","SecretString":"s3cr3t"}'));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
        server.close();
        server.closeAllConnections();
    });
    return `http://127.0.0.1:${server.address().port}`;
}

/* Debian's boto3 is older than AWS_ENDPOINT_URL_<SERVICE>, which Lambda's obeys: this makes it obey. */
const BOTO3_SITE = `import os
import boto3
made = boto3.client
def client(name, *args, **named):
    if name == 'secretsmanager':
        named.setdefault('endpoint_url', os.environ.get('AWS_ENDPOINT_URL_SECRETS_MANAGER'))
    return made(name, *args, **named)
boto3.client = client
`;

/** The folder of a function: its files and what npm gives it. */
async function codeOf(t, entry) {
    const dir = mkdtempSync(path.join(tmpdir(), 'catalogue-'));
    chmodSync(dir, 0o755); // serve runs functions as another user than root
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    for (const file of entry.files) {
        mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
        cpSync(path.join(SOURCES, entry.name, file), path.join(dir, file));
    }
    if (entry.runtime.startsWith('provided')) {
        writeFileSync(path.join(dir, 'function.sh'), HANDLER_SH);
        chmodSync(path.join(dir, 'bootstrap'), 0o755);
    }
    if (entry.deps.pip === 'boto3') {
        mkdirSync(path.join(dir, 'site'));
        writeFileSync(path.join(dir, 'site/sitecustomize.py'), BOTO3_SITE);
    }
    const packages = Object.entries(entry.deps).filter(
        ([name]) => name !== 'apt' && name !== 'pip',
    );
    if (packages.length > 0) {
        writeFileSync(path.join(dir, 'package.json'), '{"private":true}');
        await promisify(execFile)(
            'npm',
            [
                'install',
                '--no-package-lock',
                '--no-fund',
                '--no-audit',
                ...packages.map(([name, version]) => `${name}@${version}`),
            ],
            { cwd: dir },
        );
    }
    return dir;
}

/** Secrets and keys are made on the spot: "hs" and "rsa" are what the function knows. */
function secrets(entry) {
    const made = new Map();
    return (name) => {
        if (name.startsWith('$lit:')) {
            return name.slice(5);
        }
        if (name.startsWith('$from:')) { // it stands in the source
            const source = readFileSync(path.join(SOURCES, entry.name, entry.files[0]), 'utf8');
            return new RegExp(`\\b${name.slice(6)}\\s*=\\s*['"]([^'"]+)['"]`).exec(source)[1];
        }
        if (!made.has(name)) {
            made.set(name, name === 'rsa' ? rsa() : randomBytes(48).toString('base64url'));
        }
        return made.get(name);
    };
}

/** What a certificate of that key looks like to a function that reads one. */
function certificateOf({ privatePem }) {
    const dir = mkdtempSync(path.join(tmpdir(), 'certificate-'));
    try {
        writeFileSync(path.join(dir, 'key.pem'), privatePem, { mode: 0o600 });
        return execFileSync(
            'openssl',
            ['req', '-x509', '-key', path.join(dir, 'key.pem'), '-subj', '/CN=test', '-days', '2'],
            { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
        );
    } finally {
        rmSync(dir, { recursive: true, force: true });
    }
}

function tokenOf(value, secret) {
    if (typeof value === 'string') {
        return value;
    }
    const { alg, key, kid, expIn, claims } = value.$jwt;
    const now = Math.floor(Date.now() / 1000);
    const known = secret(key);
    const by = alg.startsWith('HS') ? { secret: known } : { key: known.privateKey };
    return value.prefix + jwt({ iat: now, exp: now + expIn, ...claims }, { alg, kid, ...by });
}

/** The Python function joins lines with blanks, which its library does not take: it gets one line. */
function certificateFor({ runtime }, pem) {
    return !runtime.startsWith('python')
        ? pem
        : pem.replace(/(-----\n)([\s\S]*)(\n-----)/, (_, begin, text, end) =>
              begin + text.replaceAll('\n', '') + end,
          );
}

/* What Lambda sets itself, a template may not. */
const RESERVED = /^AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|DEFAULT_REGION|REGION)$/;

const environmentOf = (entry, secret, awsUrl) =>
    Object.fromEntries(
        Object.entries(entry.env).filter(([name]) => !RESERVED.test(name)).map(([name, value]) => [
            name,
            value
                .replaceAll('${AWS_URL}', awsUrl)
                .replaceAll('${HS}', () => secret('hs'))
                .replaceAll('${FILE:_keys/rsa_public.pem}', () => secret('rsa').publicPem)
                .replaceAll('${FILE:_keys/rsa_cert.pem}', () =>
                    certificateFor(entry, certificateOf(secret('rsa'))),
                ),
        ]),
    );

/* ---- the gateways, one kind each ---- */

/** A REST API with the entry's function as its authorizer. */
function restTemplate(entry) {
    const { identitySource = '', ttl } = entry.authorizer;
    const guard = { files: {}, handler: entry.handler, timeout: 10, env: {} };
    const authorizer =
        entry.type === 'TOKEN'
            ? { fn: guard, ttl: 0, header: identitySource.replace('method.request.header.', '') }
            : { fn: guard, ttl, sources: identitySource };
    const paths = ['/resource', ...entry.cases.map(({ event }) => event.path).filter(Boolean)];
    const routes = Object.fromEntries(paths.map((path) => [`GET ${path}`, mock(200, 'in')]));
    const project = api({ authorizer, routes });
    return { ...project, template: JSON.parse(project.text) };
}

/** SAM's lists of an HTTP API's identity sources. */
function identityOf({ identitySource, ttl }) {
    const identity = {};
    for (const source of identitySource.split(',').map((one) => one.trim())) {
        const [, kind, name] = /^\$(?:request\.)?(header|querystring)\.(.+)$/.exec(source) ?? [];
        const list = kind === 'header' ? 'Headers' : 'QueryStrings';
        if (kind) {
            identity[list] = [...(identity[list] ?? []), name];
        }
    }
    return { ...identity, ...(ttl !== undefined && { ReauthorizeEvery: ttl }) };
}

/** An HTTP API likewise. */
function httpTemplate(entry) {
    const { payloadFormatVersion, enableSimpleResponses } = entry.authorizer;
    const project = api({ routes: { 'GET /resource': lambda('async () => "in"') } });
    const target = Object.entries(JSON.parse(project.text).Resources).find(
        ([, { Type }]) => Type === 'AWS::Serverless::Function',
    );
    target[1].Properties.Events = {
        Get: { Type: 'HttpApi', Properties: { ApiId: { Ref: 'Http' }, Path: '/resource', Method: 'GET' } },
    };
    const template = {
        Transform: 'AWS::Serverless-2016-10-31',
        Resources: {
            Http: {
                Type: 'AWS::Serverless::HttpApi',
                Properties: {
                    Auth: {
                        DefaultAuthorizer: 'Guard',
                        Authorizers: {
                            Guard: {
                                FunctionArn: { 'Fn::GetAtt': ['Guard', 'Arn'] },
                                AuthorizerPayloadFormatVersion: payloadFormatVersion,
                                ...(enableSimpleResponses && { EnableSimpleResponses: true }),
                                Identity: identityOf(entry.authorizer),
                                EnableFunctionDefaultPermissions: true,
                            },
                        },
                    },
                },
            },
            [target[0]]: target[1],
            Guard: {
                Type: 'AWS::Serverless::Function',
                Properties: {
                    Handler: entry.handler,
                    Timeout: 10,
                    Environment: { Variables: {} },
                },
            },
        },
    };
    return { name: 'template.yaml', files: project.files, stage: '', template };
}

function projectOf(entry, dir, secret, awsUrl) {
    const project = entry.type.startsWith('HTTP') ? httpTemplate(entry) : restTemplate(entry);
    const { Properties } = project.template.Resources.Guard;
    Properties.CodeUri = dir;
    Properties.Runtime = entry.runtime.startsWith('nodejs') ? 'nodejs20.x' : entry.runtime;
    Properties.Environment.Variables = {
        ...environmentOf(entry, secret, awsUrl),
        ...(entry.deps.pip && { PYTHONPATH: path.join(dir, 'site') }),
    };
    const text = JSON.stringify(project.template);
    if (!entry.cases.some(({ event }) => event.sourceIp)) {
        return { project: { ...project, text } };
    }
    /* the client's address is what a trusted proxy says */
    return {
        project: {
            name: 'ropeline.yaml',
            text:
                'apis: [{template: template.yaml}]\ntrusted_proxies: [127.0.0.1]\n' +
                (process.getuid() === 0 ? 'user: nobody\n' : ''),
            files: { ...project.files, 'template.yaml': text },
            stage: project.stage,
        },
        options: { verb: 'serve', shared: true },
    };
}

/* ---- the cases ---- */

function headersOf(entry, { event }, secret) {
    const headers = {};
    if (entry.type === 'TOKEN') {
        const header = entry.authorizer.identitySource.replace('method.request.header.', '');
        headers[header] = tokenOf(event.authorizationToken, secret);
    }
    for (const [name, value] of Object.entries(event.headers ?? {})) {
        if (name !== 'X-Forwarded-Proto') {
            headers[name] = tokenOf(value, secret);
        }
    }
    return { ...headers, ...(event.sourceIp && { 'X-Forwarded-For': event.sourceIp }) };
}

/** The same request by TLS, for cases whose function wants https. */
function byTls(gw, target, headers) {
    const port = Number(gw.listening.gatewayTls.split(':').at(-1));
    return new Promise((resolve, reject) => {
        const options = { port, path: gw.stagePath + target, headers, rejectUnauthorized: false };
        https
            .get({ host: '127.0.0.1', servername: 'localhost', ...options }, (rs) => {
                rs.resume().on('end', () => resolve({ status: rs.statusCode, body: '' }));
            })
            .on('error', reject);
    });
}

async function judge(t, entry) {
    const absent = entry.files.filter((file) => !existsSync(path.join(SOURCES, entry.name, file)));
    if (absent.length > 0) {
        t.skip(`not fetched: ${path.join(SOURCES, entry.name, absent[0])}`);
        return;
    }
    if (entry.cases.some(({ kind }) => kind === 'allow')) {
        assert.equal(lacks(entry), undefined, 'script/bootstrap --test installs it');
    }
    const secret = secrets(entry);
    const code = await codeOf(t, entry);
    const awsUrl = JSON.stringify(entry.env).includes('AWS_URL') ? await secretsManager(t) : '';
    const { project, options = {} } = projectOf(entry, code, secret, awsUrl);
    const wantsTls = entry.cases.some(({ event }) => event.headers?.['X-Forwarded-Proto']);
    const args = wantsTls ? ['--gateway-tls', '127.0.0.1:0'] : [];
    const gw = await start(t, project, { ...options, args });
    for (const one of entry.cases) {
        await t.test(one.name, async (tt) => {
            if (one.event.clientCertPem) {
                tt.skip('mutual TLS is not served yet');
                return;
            }
            const query = new URLSearchParams(one.event.query ?? {}).toString();
            const target = `${one.event.path ?? '/resource'}${query && `?${query}`}`;
            const headers = headersOf(entry, one, secret);
            const isTls = one.event.headers?.['X-Forwarded-Proto'] === 'https';
            const { status, body } = await (isTls
                ? byTls(gw, target, headers)
                : gw.get(target, { headers }));
            /* Lambda's sh is bash, and so is ours: what dash would refuse allows. */
            const isShell = entry.runtime.startsWith('provided') && one.expect === 'error:load';
            assert.equal(status, isShell ? 200 : one.gateway, body);
        });
    }
}

if (existsSync(CATALOGUE)) {
    const isOurs = ({ type }) => type !== 'WEBSOCKET';
    for (const entry of JSON.parse(readFileSync(CATALOGUE)).filter(isOurs)) {
        test(`catalogue: ${entry.name}`, (t) => judge(t, entry));
    }
} else {
    test('catalogue', { skip: 'skipped: ../shared not found' }, () => {});
}
