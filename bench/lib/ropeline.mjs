// SPDX-License-Identifier: Apache-2.0
// Ropeline as the benchmarks run it: `dev --quiet`, one worker, from a template made here. The
// authorizer is the guide's; memory and counts use one that believes every token and says which
// call answered.
import { spawnSync } from 'node:child_process';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, watch, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PRIVATE, ROOT, SUBJECT_CPU, programOf, start, tree } from './process.mjs';

export const BINARY = path.resolve(process.env.ROPELINE_BIN ?? path.join(ROOT, 'build/ropeline'));

// --- the guide's authorizer, its key and tokens -------------------------------------------------

// A copy of examples/guide/authorizer with a key of its own; null when jsonwebtoken cannot be had.
export function guideAuthorizer() {
  const dir = path.join(PRIVATE, 'guide');
  cpSync(path.join(ROOT, 'examples/guide/authorizer'), dir, {
    recursive: true, filter: (file) => path.basename(file) !== 'keys',
  });
  if (!existsSync(path.join(dir, 'node_modules/jsonwebtoken'))) {
    const { status } = spawnSync('npm', ['install', '--no-fund', '--no-audit'],
      { cwd: dir, stdio: 'ignore' });
    if (status !== 0) {
      return null;
    }
  }
  const keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  mkdirSync(path.join(dir, 'keys'));
  writeFileSync(path.join(dir, 'keys/bench.pub.pem'), keys.publicKey);
  return { dir, code: path.join(dir, 'index.js'), privateKey: keys.privateKey };
}

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// About 900 bytes, as an identity provider's access tokens are.
export function signToken(privateKey, number) {
  const now = Math.floor(Date.now() / 1000);
  const text = `${base64url({ alg: 'RS256', typ: 'JWT', kid: 'bench' })}.${base64url({
    iss: 'guide', aud: 'orders', sub: 'ana', role: 'viewer', iat: now, exp: now + 86400,
    jti: number,
    scope: 'openid profile email orders:read orders:write invoices:read reports:read',
    groups: ['sales', 'warehouse', 'support-emea', 'on-call', 'reviewers', 'release-managers'],
    email: 'ana.example@mail.example.org', tenant: '5f0c2f0e-7a43-4f3e-9f65-0d6f4a7a1b11',
  })}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`;
}

// --- the authorizer that counts -----------------------------------------------------------------

// Its context: `call` is "ENVIRONMENT:NUMBER:MILLISECOND it was entered at".
export function countingAuthorizer() {
  const dir = path.join(PRIVATE, 'counting');
  mkdirSync(dir);
  writeFileSync(path.join(dir, 'index.js'), `
const { randomUUID } = require('node:crypto');
const environment = randomUUID();
const wait = Number(process.env.WAIT_MS);
let calls = 0;
exports.handler = async (event) => {
  const entered = performance.timeOrigin + performance.now();
  const call = environment + ':' + ++calls + ':' + entered.toFixed(3);
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  return {
    principalId: 'ana',
    policyDocument: { Version: '2012-10-17', Statement: [{
      Effect: 'Allow', Action: 'execute-api:Invoke', Resource: event.methodArn.split('/')[0] + '/*',
    }] },
    context: { role: 'viewer', call },
  };
};
`);
  return { dir };
}

// --- templates ----------------------------------------------------------------------------------

const proxy = (uri, parameters) => ({
  type: 'http_proxy', httpMethod: 'GET', uri,
  ...(parameters && { requestParameters: parameters }),
});

const told = Object.fromEntries([['X-User', 'principalId'], ['X-Role', 'role'], ['X-Call', 'call']]
  .map(([header, key]) => [`integration.request.header.${header}`, `context.authorizer.${key}`]));

const AUTHORIZER_URI = 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/' +
  '${Authorizer.Arn}/invocations';

const scheme = (ttl) => ({
  type: 'apiKey', name: 'Authorization', in: 'header', 'x-amazon-apigateway-authtype': 'custom',
  'x-amazon-apigateway-authorizer': {
    type: 'token', authorizerResultTtlInSeconds: ttl, authorizerUri: { 'Fn::Sub': AUTHORIZER_URI },
  },
});

function template(paths, authorizer) {
  const components = { securitySchemes: { Cached: scheme(3600), Fresh: scheme(0) } };
  const resources = {
    Api: {
      Type: 'AWS::Serverless::Api',
      Properties: {
        StageName: 'dev',
        DefinitionBody: {
          openapi: '3.0.1', info: { title: 'bench', version: '1' }, paths,
          ...(authorizer && { components }),
        },
      },
    },
  };
  if (authorizer) {
    resources.Authorizer = {
      Type: 'AWS::Serverless::Function',
      Properties: {
        CodeUri: authorizer.dir, Handler: 'index.handler', Runtime: 'nodejs20.x', Timeout: 20,
        Environment: {
          Variables: { ISSUER: 'guide', AUDIENCE: 'orders', WAIT_MS: authorizer.wait ?? '0' },
        },
      },
    };
  }
  return { Transform: 'AWS::Serverless-2016-10-31', Resources: resources };
}

const method = (integration, guard) => ({
  get: {
    ...(guard && { security: [{ [guard]: [] }] }), 'x-amazon-apigateway-integration': integration,
  },
});

// /dev/open, and with an authorizer /dev/guarded (cached) and /dev/fresh (TTL 0).
export function guardedTemplate(backend, authorizer) {
  const uri = `http://127.0.0.1:${backend.port}/hello`;
  return template({
    '/open': method(proxy(uri)),
    ...(authorizer && {
      '/guarded': method(proxy(uri, told), 'Cached'), '/fresh': method(proxy(uri, told), 'Fresh'),
    }),
  }, authorizer);
}

// /dev/native behind a JWT authorizer that verifies each token with this key.
export function nativeTemplate(backend, publicPem) {
  const uri = `http://127.0.0.1:${backend.port}/hello`;
  const document = template({
    '/native': method(proxy(uri, {
      'integration.request.header.X-User': 'context.authorizer.principalId',
      'integration.request.header.X-Role': 'context.authorizer.claims.role',
    }), 'Native'),
  });
  document.Resources.Api.Properties.DefinitionBody.components = { securitySchemes: { Native: {
    type: 'http', scheme: 'bearer', 'x-amazon-apigateway-authorizer': {
      type: 'token', 'x-ropeline-issuers': [{ issuer: 'guide', audience: 'orders', keys: publicPem }],
    },
  } } };
  return document;
}

// /dev/rN/{id} for N below `count`.
export function routesTemplate(backend, count) {
  const uri = `http://127.0.0.1:${backend.port}/hello`;
  const paths = {};
  for (let i = 0; i < count; i++) {
    paths[`/r${i}/{id}`] = method(proxy(uri));
  }
  return template(paths);
}

// --- the daemon ---------------------------------------------------------------------------------

function appears(dir, name) {
  return new Promise((resolve) => {
    const watcher = watch(dir, { persistent: false }, (_, file) => {
      if (file === name) {
        watcher.close();
        resolve();
      }
    });
  });
}

let daemons = 0;

// Answers when all listeners accept: {port, core, metrics, roots, gateway, keeper, child, startMs,
// state}. `state`: the directory of a daemon that has ended, to go on from.
export async function startRopeline(document, { state } = {}) {
  const dir = path.join(PRIVATE, `ropeline-${daemons++}`);
  mkdirSync(dir);
  writeFileSync(path.join(dir, 'template.json'), JSON.stringify(document));
  const ready = appears(dir, 'ready');
  const began = performance.now();
  const child = start(SUBJECT_CPU, BINARY, ['dev', 'template.json', '--gateway', '127.0.0.1:0',
    '--metrics', '127.0.0.1:0', '--core', '127.0.0.1:0', '--workers', '1', '--quiet',
    '--ready-file', path.join(dir, 'ready'), '--state', state ?? path.join(dir, '.ropeline')], { cwd: dir, log: `ropeline-${daemons}.log` });
  const failed = child.ended.then(() => {
    throw new Error(`${BINARY} ended: ${readFileSync(child.log, 'utf8')}`);
  });
  failed.catch(() => {});
  await Promise.race([ready, failed]);
  const startMs = performance.now() - began;
  const listeners = JSON.parse(readFileSync(path.join(dir, 'ready'), 'utf8'));
  const own = tree([child.pid]).filter((pid) => programOf(pid) === path.basename(BINARY));
  const portOf = (address) => Number(address.slice(address.lastIndexOf(':') + 1));
  return {
    child, roots: [child.pid], startMs, pid: listeners.pid,
    port: portOf(listeners.gateway), core: portOf(listeners.core),
    metrics: portOf(listeners.metrics), keeper: own[0], gateway: own[1],
    state: state ?? path.join(dir, '.ropeline'),
  };
}
