// SPDX-License-Identifier: Apache-2.0
// A session at the gateway: the whole decision (token found and read, keys, signature, time, revoked
// or not, result, record) against OpenSSL's bare verification of the same token, one thread.
import { spawnSync } from 'node:child_process';
import { createHash, createSign, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { PRIVATE, ROOT, SUBJECT_CPU } from '../lib/process.mjs';
import { alternate, column, median, show } from '../lib/report.mjs';

const SECONDS = 0.5;
const SESSION = path.join(ROOT, 'build/bench/session_loop');
const BARE = path.join(ROOT, 'build/bench/jwt_loop');

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// As the core makes them for a user with a role, of supertokens-node's recipes.
function makeToken(privateKey) {
  const now = Math.floor(Date.now() / 1000);
  const input = [
    part({ kid: 'd-1700000000000', typ: 'JWT', version: '5', alg: 'RS256' }),
    part({
      iat: now, exp: now + 86_400, sub: '5f7c8ec7-c33c-4c00-8bba-fe82a81bc81b', tId: 'public',
      rsub: '5f7c8ec7-c33c-4c00-8bba-fe82a81bc81b',
      sessionHandle: '7d1b2c3e-8f90-4a1b-9c2d-3e4f5a6b7c8d',
      refreshTokenHash1: createHash('sha256').update('refresh').digest('hex'),
      parentRefreshTokenHash1: null, antiCsrfToken: null, iss: 'https://api.example.com/auth',
      'st-role': { v: ['viewer'], t: now * 1000 },
      'st-perm': { v: ['orders:read'], t: now * 1000 },
    }),
  ].join('.');
  return `${input}.${createSign('sha256').update(input).sign(privateKey).toString('base64url')}`;
}

function run(command, args) {
  const done = spawnSync('taskset', ['-c', String(SUBJECT_CPU), command, ...args],
    { encoding: 'utf8' });
  if (done.status !== 0) {
    throw new Error(`${command} ${args[0]} verified nothing: ${done.stderr}`);
  }
  return { rate: Number(done.stdout), us: 1e6 / Number(done.stdout) };
}

export async function verify(report, rounds) {
  for (const target of ['bench/session_loop', 'bench/jwt_loop']) {
    spawnSync('ninja', ['--quiet', '-C', path.join(ROOT, 'build'), target], { stdio: 'inherit' });
  }
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = path.join(PRIVATE, 'session.pem');
  const token = path.join(PRIVATE, 'session.jwt');
  writeFileSync(key, publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(token, makeToken(privateKey));
  const session = (kind) =>
    ({ name: kind, measure: () => run(SESSION, [kind, key, token, String(SECONDS)]) });
  const evp = {
    name: 'evp', measure: () => run(BARE, ['evp', 'RS256', key, token, 'none', 'none', String(SECONDS)]),
  };
  const samples = await alternate([session('decide'), session('unrevoked'), session('look'), evp],
    rounds, (subject) => subject.measure());
  report.compare('a session at the gateway, decisions per CPU-second; peer: bare EVP loop',
    column(samples, 'decide', 'rate'), column(samples, 'evp', 'rate'), '>= 0.88x');
  report.compare('the look whether it was revoked, among 100,000, us of CPU',
    column(samples, 'look', 'us'), null, '<= 2');
  const [decide, without] = ['decide', 'unrevoked'].map((name) => column(samples, name, 'us'));
  report.note(`a decision is ${show(median(decide))} us of CPU, without that look ` +
    `${show(median(without))}: ${show(median(decide.map((us, i) => us - without[i])))} us more`);
}
