// SPDX-License-Identifier: Apache-2.0
// Goal 2: a route behind a native JWT authorizer, RS256 verified on every request, against
// haproxy's jwt_verify with the same checks (alg, iss, aud, exp) and the same headers for the
// backend. CPU is microseconds per request of the whole process tree.
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, one, round } from './load.mjs';
import { startBackend, startHaproxyJwt, startNginxPlain, version } from './peers.mjs';
import { PRIVATE } from './process.mjs';
import { alternate, column } from './report.mjs';
import { BINARY, nativeTemplate, signToken, startRopeline } from './ropeline.mjs';

const ANA = 'hello ana viewer \n';
const OURS = 'ropeline JWT';
const HAPROXY = 'haproxy jwt_verify';
const NGINX = 'nginx plain';

async function expectGuarded(port, target, token) {
  await expect(port, target, {}, 401);
  await expect(port, target, { headers: { Authorization: `Bearer ${token.slice(0, -8)}AAAAAAAA` } }, 401);
  await expect(port, target, { headers: { Authorization: `Bearer ${token}` } }, 200, ANA);
}

export async function compareGateways(report, rounds, seconds) {
  const missing = [['nginx', '-v'], ['haproxy', '-v'], ['wrk', '-v'], ['taskset', '-V']]
    .filter(([name, flag]) => !version(name, [flag])).map(([name]) => name);
  if (missing.length > 0 || !existsSync(BINARY)) {
    report.note(`goal 2 is not measured without ${missing.join(', ') || BINARY}`);
    return;
  }
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const file = path.join(PRIVATE, 'native.pem');
  writeFileSync(file, publicKey);
  const token = signToken(privateKey, 1);
  const headers = { Authorization: `Bearer ${token}` };
  const backend = await startBackend();
  const haproxy = await startHaproxyJwt(backend, file);
  const nginx = await startNginxPlain(backend);
  const daemon = await startRopeline(nativeTemplate(backend, file));
  await expectGuarded(haproxy.port, '/dev/native', token);
  await expectGuarded(daemon.port, '/dev/native', token);
  const subjects = [
    { ...daemon, name: OURS, load: one(daemon.port, '/dev/native', headers) },
    { ...haproxy, name: HAPROXY, load: one(haproxy.port, '/dev/native', headers) },
    { ...nginx, name: NGINX, load: one(nginx.port, '/dev/native', headers) },
  ];
  const samples = await alternate(subjects, rounds, (subject) => round(subject, backend, seconds));
  const cpu = (name) => column(samples, name, 'cpu');
  report.compare('2: native JWT, CPU us a request; peer: haproxy jwt_verify', cpu(OURS), cpu(HAPROXY), '<= 0.65x');
  report.compare('2: native JWT, CPU us a request; peer: nginx, no check', cpu(OURS), cpu(NGINX), null);
}
