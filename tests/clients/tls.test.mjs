/* SPDX-License-Identifier: Apache-2.0
 * The TLS listener under tools that were not made for it: sslscan's verdict, curl and OpenSSL's
 * own client.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { start, test } from '../lib/daemon.mjs';
import { api, mock, open } from '../lib/template.mjs';

function run(command, args, input = '') {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args);
        let out = '';
        child.stdout.on('data', (data) => {
            out += data;
        });
        child.stderr.on('data', (data) => {
            out += data;
        });
        child.on('error', reject);
        child.on('close', () => resolve(out));
        child.stdin.on('error', () => {});
        child.stdin.end(input);
    });
}

test('sslscan, curl and openssl find TLS 1.2 and 1.3 and nothing weak', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': open(mock(200, 'fine')) } }), {
        args: ['--gateway-tls', '127.0.0.1:0'],
    });
    const at = gw.listening.gatewayTls;
    const port = at.split(':').at(-1);
    const ca = path.join(gw.state, 'localhost.pem');
    await t.test('sslscan', async () => {
        const found = await run('sslscan', ['--no-colour', at]);
        for (const old of ['SSLv2', 'SSLv3', 'TLSv1.0', 'TLSv1.1']) {
            assert.match(found, new RegExp(`${old.replace('.', '\\.')} +disabled`), found);
        }
        assert.match(found, /TLSv1\.2 +enabled\nTLSv1\.3 +enabled/);
        assert.match(found, /renegotiation not supported/);
        assert.doesNotMatch(found, /^TLSv1\.[23] vulnerable|compression enabled/im);
        const ciphers = [...found.matchAll(/^(?:Preferred|Accepted) +TLSv1\.\d +\d+ bits +(\S+)/gm)];
        assert.ok(ciphers.length >= 4, found);
        for (const [, cipher] of ciphers) {
            assert.match(cipher, /^(TLS_(AES|CHACHA20)|ECDHE-ECDSA-(AES\d+-GCM|CHACHA20))/);
        }
    });
    await t.test('curl', async () => {
        const url = `https://localhost:${port}${gw.stagePath}/x`;
        const args = ['-sS', '--cacert', ca, '--resolve', `localhost:${port}:127.0.0.1`];
        assert.equal(await run('curl', [...args, url, url]), 'finefine');
        assert.equal(await run('curl', [...args, '--tls-max', '1.2', url]), 'fine');
        assert.match(await run('curl', [...args, '--tlsv1.0', '--tls-max', '1.1', url]), /curl: \(35\)/);
    });
    await t.test('openssl s_client', async () => {
        const request = `GET ${gw.stagePath}/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
        const args = ['s_client', '-quiet', '-connect', at, '-servername', 'localhost', '-CAfile', ca];
        const said = await run('openssl', [...args, '-verify_return_error'], request);
        assert.match(said, /HTTP\/1\.1 200 OK[^]*fine/);
        const early = await run('openssl', ['s_client', '-connect', at, '-tls1_3'], '');
        assert.match(early, /Early data was not sent|Max Early Data: 0/);
    });
});
