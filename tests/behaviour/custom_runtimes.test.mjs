/* SPDX-License-Identifier: Apache-2.0
 * Custom runtimes (provided.*): a function's own bootstrap speaks the Runtime API at an address of
 * its own, in whatever way its client does, and nobody else is heard there.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { refusal, start, test } from '../lib/daemon.mjs';
import { post, RAW_RUNTIME, told } from '../lib/raw_runtime.mjs';
import { api, lambda, token } from '../lib/template.mjs';

const custom = (bootstrap, more = {}) => ({ runtime: 'provided.al2023', handler: 'any.thing',
    ...more, files: { ...(bootstrap !== undefined && { bootstrap }), ...more.files } });
const raw = (more) => lambda(undefined, custom(RAW_RUNTIME, more));

/* As people write it: it says sh, and means bash. */
const SHELL = `#!/bin/sh
set -euo pipefail
api="http://\${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime"
source "$LAMBDA_TASK_ROOT/$(echo "$_HANDLER" | cut -d. -f1).sh"
while true
do
  headers="$(mktemp)"
  event=$(curl -sS -LD "$headers" "$api/invocation/next")
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  if [[ $event == *'"exit"'* ]]; then exit 3; fi
  curl -sS -o /dev/null "$api/invocation/$id/response" -d "$($(echo "$_HANDLER" | cut -d. -f2) "$event")"
done
`;
const FUNCTION = `function handler () {
  effect=Deny
  [[ $1 =~ \\"authorizationToken\\":\\"yes\\" ]] && effect=Allow
  echo '{"principalId":"sh","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"'$effect'","Resource":"*"}]}}'
}`;

const C_PROGRAM = `#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static char reply[70000];
static void ask(const char *request)
{
    char address[64];
    snprintf(address, sizeof address, "%s", getenv("AWS_LAMBDA_RUNTIME_API"));
    char *colon = strchr(address, ':');
    *colon = 0;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
    inet_pton(AF_INET, address, &at.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) || write(fd, request, strlen(request)) < 0)
        exit(1);
    ssize_t n = 0, got;
    while ((got = read(fd, reply + n, sizeof reply - 1 - n)) > 0)
        n += got;
    reply[n] = 0;
    close(fd);
}
int main(void)
{
    for (;;) {
        char request[512], id[64] = "";
        ask("GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n");
        char *at = strstr(reply, "Request-Id: ");
        if (!at) return 2;
        sscanf(at + 12, "%36s", id);
        snprintf(request, sizeof request, "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\\r\\n"
            "Host: a\\r\\nConnection: close\\r\\nContent-Length: 34\\r\\n\\r\\n{\\"statusCode\\":200,\\"body\\":\\"from C\\"}", id);
        ask(request);
    }
}
`;

/** The program as machine code, by the compiler that made the daemon. */
function compiled() {
    const dir = mkdtempSync(path.join(tmpdir(), 'c-runtime-'));
    try {
        const to = path.join(dir, 'bootstrap');
        execFileSync('cc', ['-x', 'c', '-o', to, '-'], { input: C_PROGRAM, stdio: ['pipe', 'ignore', 'pipe'] });
        return readFileSync(to);
    } finally {
        rmSync(dir, { recursive: true });
    }
}

test('custom runtime: a shell script that says sh and means bash guards an API', async (t) => {
    const guard = token(undefined, custom(SHELL, { handler: 'function.handler', files: { 'function.sh': FUNCTION } }));
    const gw = await start(t, api({ authorizer: guard, routes: { 'GET /a': raw() } }));
    const ask = async (Authorization) => (await gw.get('/a', { headers: { Authorization } })).status;
    assert.equal(await ask('yes'), 200);
    assert.equal(await ask('no'), 403);
    assert.equal(await ask('exit'), 500);
    assert.equal(await ask('yes'), 200, 'a new environment');
    await gw.stop();
    assert.match(gw.transcript, /\[Guard\] INIT_START Runtime Version: provided:al2023\.v1\t/);
    assert.match(gw.transcript, /Runtime exited with error: exit status 3/);
});

test('custom runtime: one that cannot be executed, and one that is missing', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /a': lambda(undefined, custom('not a program')) } }));
    assert.equal((await gw.get('/a')).status, 502);
    await gw.waitFor('Runtime.InvalidEntrypoint');
    const none = api({ routes: { 'GET /a': lambda(undefined, custom(undefined, { files: { x: '' } })) } });
    const { code, transcript } = await refusal(t, none);
    assert.equal(code, 1);
    assert.match(transcript, /a custom runtime needs an executable file bootstrap in /);
});

test('custom runtime: a C program, a connection for each request', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /a': lambda(undefined, custom(compiled())) } }));
    for (let i = 0; i < 3; i++) {
        assert.equal((await gw.get('/a')).body, 'from C');
    }
});

const CHUNKED = '$HEX\r\n$BODY\r\n0\r\n';
const shapes = [
    ['chunked, with trailers announced and none sent', post('response', 'Transfer-Encoding: chunked\r\n' +
        'Trailer: Lambda-Runtime-Function-Error-Type\r\nTrailer: Lambda-Runtime-Function-Error-Body\r\n',
        `${CHUNKED}\r\n`)],
    ['chunked, with empty trailers', post('response', 'Transfer-Encoding: chunked\r\n' +
        'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n',
        `${CHUNKED}Lambda-Runtime-Function-Error-Type: \r\nLambda-Runtime-Function-Error-Body: \r\n\r\n`)],
    ['lower-case names', post('response', 'content-type: application/json\r\ncontent-length: $LENGTH\r\n', '$BODY')],
    ['upper-case names', post('response', 'CONTENT-LENGTH: $LENGTH\r\nACCEPT: */*\r\n', '$BODY')],
    ['Expect: 100-continue', post('response', 'Expect: 100-continue\r\nContent-Length: $LENGTH\r\n', '$BODY')],
    ['Connection: close', post('response', 'Connection: close\r\nContent-Length: $LENGTH\r\n', '$BODY')],
    ['no Host', post('response', 'Content-Length: $LENGTH\r\n', '$BODY').replace('Host: a\r\n', '')],
    ['streaming mode', post('response', 'Lambda-Runtime-Function-Response-Mode: streaming\r\n' +
        'Transfer-Encoding: chunked\r\n', `${CHUNKED}\r\n`)],
    ['byte by byte', post('response', 'Content-Length: $LENGTH\r\n', '$BODY'), { pieces: 1 }],
];

test('custom runtime: every shape of an answer, on the same and on another connection', async (t) => {
    const gw = await start(t, api({ routes: { 'POST /a': raw() } }));
    for (const [name, send, more] of shapes) {
        for (const connection of ['main', 'new']) {
            if (connection === 'main' && name === 'Connection: close') {
                continue;
            }
            const answer = await told(gw, '/a', { steps: [], last: { send, connection, ...more } });
            assert.equal(answer.status, 200, `${name}, ${connection}: ${answer.text}`);
            assert.deepEqual(answer.now, [], name);
        }
    }
});

test('custom runtime: an event that nobody waits for any more is asked for again', async (t) => {
    const impatient = `#!/bin/bash
api="http://\${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation"
while true; do
  headers="$(mktemp)"
  curl -s -m 0.2 -D "$headers" "$api/next" > /dev/null || continue
  id=$(grep -Fi Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -s -o /dev/null "$api/$id/response" -d '{"statusCode":200,"body":"at last"}'
done`;
    const gw = await start(t, api({ routes: { 'GET /a': lambda(undefined, custom(impatient)) } }));
    for (let i = 0; i < 3; i++) {
        assert.equal((await gw.get('/a')).body, 'at last');
        await new Promise((resolve) => setTimeout(resolve, 500));
    }
    assert.equal(gw.transcript.match(/INIT_START/g).length, 1, 'one environment');
});

/** What a stranger is told at that address. */
function strangers(address, request) {
    const [host, port] = address.split(':');
    return new Promise((resolve) => {
        let heard = '';
        const socket = net.connect(Number(port), host, () => socket.write(request));
        socket.on('data', (data) => { heard += data; });
        socket.on('error', () => {});
        socket.on('close', () => resolve(heard));
    });
}

test('custom runtime: only processes of the environment are heard', async (t) => {
    const forked = custom(RAW_RUNTIME.replace("'use strict';", `'use strict';
if (!process.env.FAR) { // what left the session is the environment's all the same
    require('node:child_process').spawn(process.execPath, [__filename],
        { detached: true, stdio: 'inherit', env: { ...process.env, FAR: '1' } });
    setInterval(() => {}, 1e6);
    return;
}`));
    const gw = await start(t, api({ routes: { 'POST /a': raw(), 'POST /b': raw(), 'POST /c': lambda(undefined, forked) } }));
    const { address } = await told(gw, '/a', { steps: [] });
    assert.match(address, /^127\.\d+\.\d+\.\d+:\d+$/);
    assert.ok(!address.startsWith('127.0.'));
    const next = 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n';
    assert.equal(await strangers(address, next), '');
    const [host, port] = address.split(':');
    const neighbour = await told(gw, '/b', { steps: [{ send: next, to: { host, port } }] });
    assert.deepEqual(neighbour.now, ['closed']);
    assert.notEqual(neighbour.address, address);
    assert.equal((await told(gw, '/a', { steps: [] })).status, 200, 'it is as it was');
    assert.equal((await told(gw, '/c', { steps: [] })).status, 200, 'a child in another session');
    await gw.waitFor('a connection to its Runtime API was closed: it is of a process that is not its own');
    assert.equal(gw.transcript.match(/a connection to its Runtime API was closed/g).length, 1, 'said once');
});
