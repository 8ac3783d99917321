// SPDX-License-Identifier: Apache-2.0
// script/bench jwt: our whole check of a token against OpenSSL's bare verification, jsonwebtoken with
// a PEM, and libjwt; goal 8. Verifications for each second of CPU, one thread, one key; signatures of
// RS256, where goal 10's refreshes have their limit. Then the
// gateway with a JWT authorizer against haproxy's jwt_verify; goal 2.
// Environment: BENCH_ROUNDS (8), BENCH_SECONDS (0.5) each.
import { spawnSync } from 'node:child_process';
import { createSign, generateKeyPairSync, sign } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareGateways } from './lib/jwt_gateway.mjs';
import { PRIVATE, ROOT, SUBJECT_CPU, stopAll } from './lib/process.mjs';
import { Report, alternate, column, median } from './lib/report.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 8);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 0.5);
const GATEWAY_SECONDS = Number(process.env.BENCH_GATEWAY_SECONDS ?? 2);
const LOOP = path.join(ROOT, 'build/bench/jwt_loop');
const PEER = path.join(ROOT, 'build/bench/jwt_peer');
const NODE_LOOP = fileURLToPath(new URL('./jwt/loop.cjs', import.meta.url));
const ISSUER = 'https://issuer.example/tenant';
const AUDIENCE = 'orders-api';

const text = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// About 900 bytes with RS256, like those that identity providers make.
function makeToken(alg, privateKey) {
  const now = Math.floor(Date.now() / 1000);
  const input = [
    text({ alg, typ: 'JWT', kid: 'bench' }),
    text({
      iss: ISSUER, aud: AUDIENCE, sub: 'auth0|5f7c8ec7c33c6c004bbafe82', iat: now, nbf: now,
      exp: now + 86_400, azp: 'Zb2nCAyR7pLq9kTt0pXq', scope: 'openid profile read:orders write:orders',
      role: 'viewer', email: 'ana@example.com', email_verified: true, jti: 'a81bc81b-dead-4e5d-abff-90865d1e13b1',
      permissions: ['orders:read', 'orders:write', 'invoices:read'],
    }),
  ].join('.');
  const signature = alg === 'RS256' ? createSign('sha256').update(input).sign(privateKey)
    : sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

const KEYS = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

function prepare(alg) {
  const { publicKey, privateKey } = KEYS[alg]();
  const key = path.join(PRIVATE, `${alg}.pem`);
  const token = path.join(PRIVATE, `${alg}.jwt`);
  writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(`${key}.private`, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(token, makeToken(alg, privateKey));
  return [alg, key, token, ISSUER, AUDIENCE, String(SECONDS)];
}

function run(command, args) {
  const done = spawnSync('taskset', ['-c', String(SUBJECT_CPU), command, ...args], { encoding: 'utf8' });
  if (done.status !== 0) {
    throw new Error(`${command} ${args[0]} verified nothing: ${done.stderr}`);
  }
  return { rate: Number(done.stdout) };
}

const FULL = 'ours';
const EVP = 'evp';
const GARBAGE = 'garbage';
const LIBJWT = 'libjwt';
const NODE = 'jsonwebtoken';

function subjects(alg, report) {
  const args = prepare(alg);
  const ours = (name, kind) => ({ name, measure: () => run(LOOP, [kind, ...args]) });
  const list = [ours(FULL, 'full'), ours(EVP, 'evp')];
  if (alg === 'EdDSA') {
    return list; // libjwt 1.10 and jsonwebtoken do not know it
  }
  if (alg === 'RS256') {
    list.push(ours(GARBAGE, 'garbage'));
  }
  if (existsSync(PEER)) {
    list.push({ name: LIBJWT, measure: () => run(PEER, args) });
  } else {
    report.note('libjwt is not installed (script/bootstrap --peers): no figure for it');
  }
  if (existsSync(path.join(ROOT, 'bench/jwt/node_modules/jsonwebtoken'))) {
    list.push({ name: NODE, measure: () => run(process.execPath, [NODE_LOOP, ...args]) });
  } else {
    report.note('jsonwebtoken is not installed (npm install in bench/jwt): no figure for it');
  }
  return list;
}

const GOALS = { RS256: [0.88, '>= 13x', '>= 15x'], ES256: [0.95, null, null], EdDSA: [0.95, null, null] };

async function compare(alg, report) {
  const list = subjects(alg, report);
  const samples = await alternate(list, ROUNDS, (subject) => subject.measure());
  const rates = (name) => column(samples, name, 'rate');
  const [limit, node, libjwt] = GOALS[alg];
  report.compare(`8: ${alg}, full check; peer: bare EVP loop`, rates(FULL), rates(EVP), `>= ${limit}x`);
  if (samples.has(NODE)) {
    report.compare(`8: ${alg}, full check; peer: jsonwebtoken, PEM`, rates(FULL), rates(NODE), node);
    const reach = median(rates(EVP).map((rate, i) => rate / rates(NODE)[i]));
    report.note(`8: ${alg}: bare OpenSSL is ${reach.toFixed(1)}x of jsonwebtoken here: no check can be more`);
  }
  if (samples.has(LIBJWT)) {
    report.compare(`8: ${alg}, full check; peer: libjwt`, rates(FULL), rates(LIBJWT), libjwt);
  }
  if (samples.has(GARBAGE)) {
    report.compare('a token that is none, us of CPU', rates(GARBAGE).map((rate) => 1e6 / rate),
      null, '<= 5');
  }
}

// What a signature costs besides OpenSSL's own work: a refresh may cost 0.18 of it in all.
async function compareSigning(report) {
  const [alg, key, ...rest] = prepare('RS256');
  const list = ['sign', 'sign_evp'].map((name) =>
    ({ name, measure: () => run(LOOP, [name, alg, `${key}.private`, ...rest]) }));
  const samples = await alternate(list, ROUNDS, (subject) => subject.measure());
  const [ours, evp] = list.map(({ name }) => column(samples, name, 'rate'));
  report.compare('10: RS256, a token signed; peer: bare EVP loop', ours, evp, '>= 0.97x');
}

const ninja = (target, stdio) =>
  spawnSync('ninja', ['--quiet', '-C', path.join(ROOT, 'build'), target], { stdio });

const report = new Report('jwt', 'verifications per CPU-second');
try {
  ninja('bench/jwt_loop', 'inherit');
  ninja('bench/jwt_peer', 'ignore'); // unknown where there is no libjwt
  for (const alg of Object.keys(GOALS)) {
    await compare(alg, report);
  }
  await compareSigning(report);
  await compareGateways(report, ROUNDS, GATEWAY_SECONDS);
  report.print();
  report.write();
} finally {
  await stopAll();
}
