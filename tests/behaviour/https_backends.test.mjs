/* SPDX-License-Identifier: Apache-2.0
 * Backends by TLS: who is believed, what is said when one is not, and that answers and requests go
 * through as they do without it. Runs under ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { authority, certificate } from '../lib/certificates.mjs';
import { ropeline, start, test } from '../lib/daemon.mjs';
import { api, http, open } from '../lib/template.mjs';

const root = authority();
const of = (given) => {
    const { key, chain } = certificate({ names: ['localhost', '127.0.0.1'], issuer: root, ...given });
    return { key, cert: chain };
};

async function listening(t, server) {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
        server.closeAllConnections?.();
        server.close();
    });
    return server.address().port;
}

/** A secure server that says what it saw. */
async function backend(t, options, answer) {
    const seen = { connections: 0, resumed: 0, names: [] };
    const server = https.createServer({ ...of(), ...options }, (rq, rs) => {
        const parts = [];
        rq.on('data', (part) => parts.push(part));
        rq.on('end', () => {
            const body = Buffer.concat(parts);
            seen.last = { method: rq.method, url: rq.url, headers: rq.headers, body };
            (answer ?? (() => rs.end(`${rq.method} ${body.length}`)))(rq, rs, body);
        });
    });
    server.on('secureConnection', (socket) => {
        seen.connections++;
        seen.resumed += socket.isSessionReused();
        seen.names.push(socket.servername);
        seen.protocol = socket.alpnProtocol;
    });
    return { seen, server, port: await listening(t, server) };
}

/** A daemon that believes our authority. */
function trusting(t, routes) {
    const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-ca-'));
    writeFileSync(`${dir}/ca.pem`, root.cert);
    t.after(() => rmSync(dir, { recursive: true }));
    return start(t, api({ routes }), { env: { SSL_CERT_FILE: `${dir}/ca.pem` } });
}

const skip = { insecureSkipVerification: true };

test('requests and answers go through', async (t) => {
    const large = Buffer.alloc(3_000_000, 'x');
    const to = await backend(t, {}, (rq, rs, body) => {
        if (rq.url === '/large') {
            rs.end(large);
        } else if (rq.url === '/chunked') {
            rs.write('a');
            setTimeout(() => rs.end('b'), 20);
        } else if (rq.url === '/close') {
            rs.setHeader('Connection', 'close');
            rs.end('closed');
        } else {
            rs.end(`${rq.method} ${body.length}`);
        }
    });
    const gw = await trusting(t, {
        'ANY /{proxy+}': open(http(`https://localhost:${to.port}/{proxy}`)),
        'GET /address': open(http(`https://127.0.0.1:${to.port}/address`)),
    });
    await t.test('small and large, both ways', async () => {
        assert.equal((await gw.get('/x')).body, 'GET 0');
        assert.equal(to.seen.last.headers.host, `localhost:${to.port}`);
        assert.equal(to.seen.protocol, 'http/1.1');
        assert.equal((await gw.get('/large')).bytes.compare(large), 0);
        assert.equal((await gw.request('POST', '/x', { body: large })).body, 'POST 3000000');
        assert.equal(to.seen.last.body.compare(large), 0);
        assert.equal((await gw.get('/chunked')).body, 'ab');
    });
    await t.test('the name is asked for, an address is not', async () => {
        assert.equal(to.seen.names.at(-1), 'localhost');
        assert.equal((await gw.get('/address')).body, 'GET 0');
        assert.equal(to.seen.names.at(-1), false);
    });
    await t.test('connections are kept, sessions resumed', async () => {
        const before = to.seen.connections;
        for (let i = 0; i < 20; i++) {
            assert.equal((await gw.get('/x')).body, 'GET 0');
        }
        assert.ok(to.seen.connections <= before + 2, `${to.seen.connections - before} more`);
        for (let i = 0; i < 10; i++) {
            assert.equal((await gw.get('/close')).body, 'closed');
        }
        assert.ok(to.seen.resumed > 0, 'resumed');
    });
    await t.test('many at once', async () => {
        const all = await Promise.all(Array.from({ length: 30 }, () => gw.get('/large')));
        assert.deepEqual([...new Set(all.map(({ status, bytes }) => `${status} ${bytes.length}`))], ['200 3000000']);
    });
});

test('who cannot be believed is not asked', async (t) => {
    const OLD = { from: new Date('2020-01-01'), until: new Date('2021-01-01') };
    const expired = await backend(t, of(OLD));
    const other = await backend(t, of({ names: ['example.com'] }));
    const nobody = await backend(t, of({ issuer: authority('Nobody') }));
    const skipped = await backend(t, of({ issuer: authority('Nobody'), names: ['nowhere'] }));
    const old = await listening(
        t,
        tls.createServer({ ...of(), maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' }),
    );
    const plain = await listening(t, (await import('node:http')).createServer((rq, rs) => rs.end('plain')));
    const to = (port) => open(http(`https://localhost:${port}/`));
    const gw = await trusting(t, {
        'GET /expired': to(expired.port),
        'GET /other': to(other.port),
        'GET /nobody': to(nobody.port),
        'GET /old': to(old),
        'GET /plain': to(plain),
        'GET /skipped': open({ ...http(`https://localhost:${skipped.port}/`), tlsConfig: skip }),
    });
    const why = async () => (await gw.ropeline('explain', '--last')).all;
    const refused = async (target, words) => {
        const { status, body } = await gw.get(target);
        assert.equal(body, '{"message": "Network error communicating with endpoint"}');
        assert.equal(status, 504);
        assert.match(await why(), words);
    };
    await refused('/expired', /TLS: certificate has expired/);
    await refused('/other', /TLS: [Hh]ostname mismatch/);
    await refused('/nobody', /TLS: unable to get local issuer certificate/);
    await refused('/old', /TLS: .*(protocol|alert)/);
    await refused('/plain', /TLS: wrong version number/);
    for (const { seen } of [expired, other, nobody]) {
        assert.equal(seen.last, undefined, 'no request came');
    }
    assert.equal((await gw.get('/skipped')).body, 'GET 0');
    await gw.waitFor("the backend's certificate is NOT verified");
});

test('an answer that breaks off without close_notify is no answer', async (t) => {
    const beneath = new Map();
    const server = tls.createServer(of(), (socket) => {
        socket.on('error', () => {});
        socket.once('data', (data) => {
            socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf');
            if (/cut/.test(data)) {
                setTimeout(() => beneath.get(socket.remotePort).end(), 50);
            } else {
                socket.end();
            }
        });
    });
    server.on('connection', (socket) => beneath.set(socket.remotePort, socket));
    const port = await listening(t, server);
    const gw = await trusting(t, {
        'GET /{x}': open(http(`https://localhost:${port}/{x}`)),
    });
    assert.equal((await gw.get('/whole')).body, 'half');
    await assert.rejects(gw.get('/cut'), /cut|hang up|reset|aborted/i);
});

test('check and dev say the same of https', async (t) => {
    const project = api({
        routes: { 'GET /x': open({ ...http('https://b.test/'), tlsConfig: skip }) },
    });
    const gw = await start(t, project);
    const { code, all } = await ropeline(['check', project.name], { cwd: gw.dir });
    assert.equal(code, 0, all);
    assert.match(all, /warning: GET \/x: the backend's certificate is NOT verified/);
});
