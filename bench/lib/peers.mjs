// SPDX-License-Identifier: Apache-2.0
// The rivals and the backend: nginx and haproxy as their manuals tune a proxy (keep-alive on both
// sides, no access log, connections never closed for their age), and the Node authorizer.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOAD_CPU, PRIVATE, SUBJECT_CPU, freePort, start, untilAccepts } from './process.mjs';

export function version(command, args) {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  return error ? null : `${stdout}${stderr}`.split('\n')[0].trim();
}

// --- nginx --------------------------------------------------------------------------------------

function nginxConfig(dir, http) {
  return `
    ${process.getuid() === 0 ? 'user root;' : ''}
    worker_processes 1;
    daemon off;
    pid ${dir}/nginx.pid;
    error_log ${dir}/error.log;
    worker_rlimit_nofile 16384;
    events { worker_connections 8192; }
    http {
      access_log off;
      keepalive_requests 1000000000;
      keepalive_timeout 3600s;
      client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy;
      fastcgi_temp_path ${dir}/fastcgi; uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
      ${http}
    }`;
}

let servers = 0;
async function nginx(name, cpu, port, http) {
  const dir = path.join(PRIVATE, `${name}-${servers++}`);
  mkdirSync(dir);
  const config = path.join(dir, 'nginx.conf');
  writeFileSync(config, nginxConfig(dir, http(dir)));
  const child = start(cpu, 'nginx', ['-c', config, '-e', path.join(dir, 'error.log')],
    { log: `${name}.log` });
  await untilAccepts(child, port);
  return { child, port, roots: [child.pid] };
}

const upstream = (name, port) => `
  upstream ${name} {
    server 127.0.0.1:${port};
    keepalive 256; keepalive_requests 1000000000; keepalive_timeout 3600s;
  }`;
const keepAlive = 'proxy_http_version 1.1; proxy_set_header Connection "";';

// Says who is calling, so that an answer shows what the gateway told it.
export async function startBackend() {
  const port = await freePort();
  return nginx('backend', LOAD_CPU, port, () => `
    server {
      listen 127.0.0.1:${port} backlog=4096;
      default_type text/plain;
      location / { return 200 "hello $http_x_user $http_x_role $http_x_call\\n"; }
    }`);
}

export async function startNginxPlain(backend) {
  const port = await freePort();
  return nginx('nginx-plain', SUBJECT_CPU, port, () => `
    ${upstream('backend', backend.port)}
    server {
      listen 127.0.0.1:${port} backlog=4096;
      location / { proxy_pass http://backend; ${keepAlive} }
    }`);
}

async function startAuthorizer(code) {
  const port = await freePort();
  const child = start(SUBJECT_CPU, process.execPath,
    [fileURLToPath(new URL('authorizer_server.mjs', import.meta.url)), String(port), code],
    { env: { ISSUER: 'guide', AUDIENCE: 'orders' }, log: 'authorizer.log' });
  await untilAccepts(child, port);
  return { child, port };
}

// `port` asks the authorizer on every request, `cachedPort` once for each Authorization.
export async function startNginxAuth(backend, code) {
  const authorizer = await startAuthorizer(code);
  const port = await freePort();
  const cachedPort = await freePort();
  const server = (listen, cache) => `
    server {
      listen 127.0.0.1:${listen} backlog=4096;
      location / {
        auth_request /authorize;
        auth_request_set $user $upstream_http_x_user;
        auth_request_set $role $upstream_http_x_role;
        proxy_pass http://backend; ${keepAlive}
        proxy_set_header X-User $user; proxy_set_header X-Role $role;
      }
      location = /authorize {
        internal;
        proxy_pass http://authorizer; ${keepAlive}
        proxy_pass_request_body off; proxy_set_header Content-Length "";
        ${cache}
      }
    }`;
  const subject = await nginx('nginx-auth', SUBJECT_CPU, port, (dir) => `
    proxy_cache_path ${dir}/cache keys_zone=decisions:16m inactive=1h;
    ${upstream('backend', backend.port)}
    ${upstream('authorizer', authorizer.port)}
    ${server(port, '')}
    ${server(cachedPort, `proxy_cache decisions; proxy_cache_valid 200 1h;
        proxy_cache_key $http_authorization;`)}`);
  return { ...subject, cachedPort, roots: [...subject.roots, authorizer.child.pid] };
}

// --- haproxy ------------------------------------------------------------------------------------

async function haproxy(backend, frontend) {
  const port = await freePort();
  const file = path.join(PRIVATE, `haproxy-${servers++}.cfg`);
  writeFileSync(file, `
global
    nbthread 1
    maxconn 8192
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
    http-reuse always
frontend in
    bind 127.0.0.1:${port}
${frontend.map((line) => `    ${line}\n`).join('')}    default_backend out
backend out
    server backend 127.0.0.1:${backend.port} pool-max-conn 256
`);
  const child = start(SUBJECT_CPU, 'haproxy', ['-db', '-f', file], { log: 'haproxy.log' });
  await untilAccepts(child, port);
  return { child, port, roots: [child.pid] };
}

export const startHaproxy = (backend) => haproxy(backend, []);

// Each request's token: RS256 by this key, of `guide`, for `orders`, not over.
export const startHaproxyJwt = (backend, publicPem) => haproxy(backend, [
  'http-request set-var(txn.bearer) http_auth_bearer',
  "http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')",
  "http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')",
  "http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')",
  "http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')",
  'http-request set-var(txn.now) date()',
  'http-request deny deny_status 401 unless { var(txn.alg) -m str RS256 }',
  'http-request deny deny_status 401 unless { var(txn.iss) -m str guide }',
  'http-request deny deny_status 401 unless { var(txn.aud) -m str orders }',
  'http-request deny deny_status 401 unless { var(txn.exp),sub(txn.now) -m int gt 0 }',
  `http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"${publicPem}") 1 }`,
  "http-request set-header X-User %[var(txn.bearer),jwt_payload_query('$.sub')]",
  "http-request set-header X-Role %[var(txn.bearer),jwt_payload_query('$.role')]",
]);
