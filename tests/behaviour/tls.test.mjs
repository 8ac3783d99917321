/* SPDX-License-Identifier: Apache-2.0
 * The TLS listener as clients see it: which certificate they are shown, what they can and cannot
 * negotiate, and that nothing a stranger sends instead of a handshake holds it up. Runs under
 * ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, readdirSync, statSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { backend } from '../lib/backend.mjs';
import { authority, certificate } from '../lib/certificates.mjs';
import { eventually, isRoot, refusal, ropeline, served, sleep, start, test } from '../lib/daemon.mjs';
import { api, http, lambda, mock, open } from '../lib/template.mjs';

const root = authority();
const pair = (names, more) => certificate({ names, issuer: root, ...more });
const files = (certificates) =>
    Object.fromEntries(
        Object.entries(certificates).flatMap(([name, { chain, key }]) => [
            [`${name}.pem`, chain],
            [`${name}-key.pem`, key],
        ]),
    );
const user = isRoot ? 'user: nobody\n' : '';

/** What serve runs with certificates: {name: [domain, certificate]}. */
function secured(project, certificates, lines = user) {
    const rows = Object.entries(certificates).map(
        ([name, [domain]]) =>
            `  - {domain: "${domain}", certificate: ${name}.pem, key: ${name}-key.pem}\n`,
    );
    const pairs = Object.fromEntries(
        Object.entries(certificates).map(([name, [, one]]) => [name, one]),
    );
    const [one, options] = served(
        { ...project, files: { ...project.files, ...files(pairs) } },
        `${lines}listen: {gateway_tls: "127.0.0.1:0"}\ntls:\n${rows.join('')}`,
    );
    return [one, options];
}

const portOf = (gw) => Number(gw.listening.gatewayTls.split(':').at(-1));

function get(gw, target, { host = 'localhost', body, method = 'GET', headers = {}, ...more } = {}) {
    const options = {
        host: '127.0.0.1',
        port: portOf(gw),
        servername: host,
        method,
        path: gw.stagePath + target,
        headers: { Host: host, ...headers },
        ca: root.cert,
        agent: false,
        ALPNProtocols: ['http/1.1'],
        ...more,
    };
    return new Promise((resolve, reject) => {
        const rq = https.request(options, (rs) => {
            const parts = [];
            rs.on('data', (part) => parts.push(part));
            rs.on('error', reject);
            rs.on('end', () => {
                const bytes = Buffer.concat(parts);
                resolve({ status: rs.statusCode, bytes, body: bytes.toString(), socket: rs.socket });
            });
        });
        rq.on('error', reject);
        rq.end(body);
    });
}

/** A handshake: the socket, or the error. */
function handshake(gw, options) {
    return new Promise((resolve) => {
        const socket = tls.connect(
            { host: '127.0.0.1', port: portOf(gw), ca: root.cert, ...options },
            () => resolve(socket),
        );
        socket.on('error', resolve);
    });
}

/** Sends bytes; {bytes, ms} when the daemon has closed. */
function stranger(gw, bytes) {
    const began = Date.now();
    return new Promise((resolve) => {
        const parts = [];
        const socket = net.connect(portOf(gw), '127.0.0.1', () => socket.write(bytes));
        socket.on('data', (part) => parts.push(part));
        socket.on('error', () => {});
        socket.on('close', () =>
            resolve({ bytes: Buffer.concat(parts), ms: Date.now() - began }),
        );
    });
}

async function failures(gw) {
    const [, n] = /handshakes_total\{result="failed"\} (\d+)/.exec(await gw.metrics());
    return Number(n);
}

const echo = lambda(`async (event) => ({ body: JSON.stringify({
    proto: event.headers['X-Forwarded-Proto'], port: event.headers['X-Forwarded-Port'],
    host: event.headers.Host, body: event.body }) })`);

test('requests come by TLS as they come without', async (t) => {
    const to = await backend(t);
    const large = 'x'.repeat(3_000_000);
    to.reply = ({ method }) => ({ body: method === 'GET' ? large : method });
    const gw = await start(
        t,
        ...secured(
            api({
                routes: {
                    'GET /mock': open(mock(200, 'mock')),
                    'ANY /echo': open(echo),
                    'ANY /proxy': open(http(`${to.url}/`)),
                },
            }),
            { local: ['localhost', pair(['localhost'])] },
        ),
    );
    await t.test('an answer', async () => {
        const { status, body, socket } = await get(gw, '/mock');
        assert.equal(status, 200);
        assert.equal(body, 'mock');
        assert.equal(socket.alpnProtocol, 'http/1.1');
    });
    await t.test('functions and backends hear of it', async () => {
        assert.deepEqual(JSON.parse((await get(gw, '/echo')).body), {
            proto: 'https',
            port: '443',
            host: 'localhost',
            body: null,
        });
        await get(gw, '/proxy', { method: 'DELETE', headers: { Host: 'localhost:8443' } });
        assert.equal(to.last.header('x-forwarded-proto'), 'https');
        assert.equal(to.last.header('x-forwarded-port'), '8443');
    });
    await t.test('plain HTTP goes on beside it', async () => {
        assert.equal((await gw.get('/mock')).body, 'mock');
        assert.equal(JSON.parse((await gw.get('/echo')).body).proto, 'http');
    });
    await t.test('large bodies, both ways', async () => {
        assert.equal((await get(gw, '/proxy')).body, large);
        assert.equal((await get(gw, '/proxy', { method: 'POST', body: large })).body, 'POST');
        assert.equal(to.last.body.length, large.length);
    });
    await t.test('many requests on one connection', async () => {
        const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
        for (let i = 0; i < 50; i++) {
            assert.equal((await get(gw, '/mock', { agent })).body, 'mock');
        }
        agent.destroy();
    });
    await t.test('a body that is read slowly comes whole', async () => {
        const socket = await handshake(gw, { servername: 'localhost', highWaterMark: 1024 });
        socket.write(`GET ${gw.stagePath}/proxy HTTP/1.0\r\nHost: localhost\r\n\r\n`);
        let n = 0;
        for await (const part of socket) {
            n += part.length;
            if (n < 300_000) {
                await sleep(1);
            }
        }
        assert.ok(n > large.length, `${n} bytes`);
    });
    await t.test('pipelined requests, a byte a record', async () => {
        const socket = await handshake(gw, { servername: 'localhost' });
        const one = `GET ${gw.stagePath}/mock HTTP/1.1\r\nHost: localhost\r\n`;
        let seen = '';
        socket.on('data', (part) => {
            seen += part;
        });
        for (const byte of `${one}\r\n${one}Connection: close\r\n\r\n`) {
            socket.write(byte);
        }
        await new Promise((resolve) => socket.on('end', resolve));
        assert.equal(seen.split('HTTP/1.1 200 OK').length, 3);
    });
    await t.test('a client that says close_notify gets its answer', async () => {
        const socket = await handshake(gw, { servername: 'localhost', allowHalfOpen: true });
        socket.end(`GET ${gw.stagePath}/mock HTTP/1.1\r\nHost: localhost\r\n\r\n`);
        let seen = '';
        for await (const part of socket) {
            seen += part;
        }
        assert.match(seen, /^HTTP\/1.1 200 OK[^]*mock$/);
    });
});

test('the name that is asked for chooses the certificate', async (t) => {
    const gw = await start(
        t,
        ...secured(api({ routes: { 'GET /x': open(mock()) } }), {
            first: ['first.test', pair(['first.test'])],
            second: ['second.test', pair(['second.test'])],
            wild: ['*.wild.test', pair(['*.wild.test'])],
            exact: ['a.wild.test', pair(['a.wild.test'], { subject: 'exact' })],
        }),
    );
    const shown = async (servername) => {
        const socket = await handshake(gw, { servername, rejectUnauthorized: false });
        const { subjectaltname, subject } = socket.getPeerCertificate();
        socket.destroy();
        return `${subject.CN} ${subjectaltname}`;
    };
    assert.equal(await shown('first.test'), 'test DNS:first.test');
    assert.equal(await shown('second.test'), 'test DNS:second.test');
    assert.equal(await shown('SECOND.test'), 'test DNS:second.test');
    assert.equal(await shown('b.wild.test'), 'test DNS:*.wild.test');
    assert.equal(await shown('a.wild.test'), 'exact DNS:a.wild.test');
    assert.equal(await shown('c.b.wild.test'), 'test DNS:first.test');
    assert.equal(await shown('wild.test'), 'test DNS:first.test');
    assert.equal(await shown('unknown.test'), 'test DNS:first.test');
    assert.equal(await shown(''), 'test DNS:first.test');
});

test('what is negotiated is TLS 1.2 or 1.3 with HTTP/1.1', async (t) => {
    const gw = await start(
        t,
        ...secured(api({ routes: { 'GET /x': open(mock()) } }), {
            local: ['localhost', pair(['localhost'])],
        }),
    );
    const of = async (options) => {
        const socket = await handshake(gw, { servername: 'localhost', ...options });
        socket.destroy?.();
        return socket;
    };
    await t.test('old versions and weak ciphers are refused', async () => {
        const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' };
        assert.ok((await of(old)) instanceof Error);
        for (const ciphers of ['AES128-SHA', 'ECDHE-ECDSA-AES128-SHA', 'NULL-SHA256']) {
            const one = { maxVersion: 'TLSv1.2', ciphers: `${ciphers}@SECLEVEL=0` };
            assert.ok((await of(one)) instanceof Error, ciphers);
        }
        assert.equal((await of({ maxVersion: 'TLSv1.2' })) instanceof Error, false);
        assert.equal((await of({ minVersion: 'TLSv1.3' })) instanceof Error, false);
    });
    await t.test('ALPN: http/1.1, nothing, but nothing else', async () => {
        assert.equal((await of({ ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol, 'http/1.1');
        assert.equal((await of({})).alpnProtocol, false);
        assert.ok((await of({ ALPNProtocols: ['h2'] })) instanceof Error);
        assert.ok((await of({ ALPNProtocols: ['x'] })) instanceof Error);
    });
    await t.test('sessions are resumed by ticket', async () => {
        for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
            const session = await new Promise((resolve) => {
                const options = { servername: 'localhost', maxVersion, ca: root.cert };
                const first = tls.connect(portOf(gw), '127.0.0.1', options);
                first.once('session', (one) => {
                    resolve(one);
                    first.destroy();
                });
            });
            const second = await handshake(gw, { servername: 'localhost', maxVersion, session });
            assert.ok(second.isSessionReused(), maxVersion);
            second.destroy();
        }
    });
    await t.test('renegotiation is refused', async () => {
        const socket = await handshake(gw, { servername: 'localhost', maxVersion: 'TLSv1.2' });
        const error = await new Promise((resolve) => {
            socket.removeAllListeners('error');
            socket.on('error', resolve);
            socket.renegotiate({}, (e) => resolve(e));
        });
        assert.ok(error instanceof Error);
        socket.destroy();
    });
});

test('what is no handshake ends the connection and nothing else', async (t) => {
    const gw = await start(
        t,
        ...secured(api({ routes: { 'GET /x': open(mock(200, 'fine')) } }), {
            local: ['localhost', pair(['localhost'])],
        }),
    );
    let hello;
    await new Promise((resolve) => {
        const server = net.createServer((socket) => {
            socket.on('error', () => {});
            socket.once('data', (bytes) => {
                hello = bytes;
                socket.destroy();
                server.close(resolve);
            });
        });
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            tls.connect({ port, host: '127.0.0.1', servername: 'localhost' }).on('error', () => {});
        });
    });
    await t.test('plain HTTP and garbage are closed at once', async () => {
        const before = await failures(gw);
        const strangers = [
            'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
            Buffer.alloc(5000, 0x41),
            Buffer.from('160301ffff', 'hex'),
            Buffer.from('16030100050100000100', 'hex'),
            Buffer.concat([hello.subarray(0, 60), Buffer.alloc(500, 0xff)]),
            Buffer.from('15030300020100', 'hex'),
        ];
        for (const bytes of strangers) {
            const { ms, bytes: back } = await stranger(gw, bytes);
            assert.ok(ms < 8000, `${ms} ms`);
            assert.doesNotMatch(back.toString('latin1'), /HTTP/);
        }
        await eventually('each counts', async () => (await failures(gw)) >= before + 6);
    });
    await t.test('a handshake that is not over in 5 s is cut, also a dripping one', async () => {
        const drip = async () => {
            const began = Date.now();
            const socket = net.connect(portOf(gw), '127.0.0.1');
            let closed = false;
            socket.on('error', () => {}).on('close', () => (closed = true));
            for (let i = 0; i < hello.length && !closed; i++) {
                socket.write(hello.subarray(i, i + 1));
                await sleep(40);
            }
            await eventually('it is cut', () => closed, 10_000);
            return Date.now() - began;
        };
        const [silent, half, dripped] = await Promise.all([
            stranger(gw, ''),
            stranger(gw, hello.subarray(0, 100)),
            drip(),
        ]);
        for (const ms of [silent.ms, half.ms, dripped]) {
            assert.ok(ms > 4500 && ms < 9000, `${ms} ms`);
        }
        assert.equal((await get(gw, '/x')).body, 'fine');
    });
    await t.test('a ClientHello of 64 KB is cut', async () => {
        const body = Buffer.alloc(60_000, 7);
        const records = [Buffer.from([1, 0, 0xea, 0x60]), body];
        const whole = Buffer.concat(records);
        const parts = [];
        for (let i = 0; i < whole.length; i += 16_000) {
            const part = whole.subarray(i, i + 16_000);
            parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
        }
        const { ms } = await stranger(gw, Buffer.concat(parts));
        assert.ok(ms < 4000, `${ms} ms`);
    });
    await t.test('fragmented into a byte a record it is still a handshake', async () => {
        const body = hello.subarray(5);
        const records = [...body].map((byte) => Buffer.from([22, 3, 1, 0, 1, byte]));
        const bytes = await new Promise((resolve) => {
            const socket = net.connect(portOf(gw), '127.0.0.1', () =>
                socket.write(Buffer.concat(records)),
            );
            socket.on('error', () => {});
            socket.once('data', (data) => {
                resolve(data);
                socket.destroy();
            });
        });
        assert.equal(bytes[0], 22, 'a ServerHello');
    });
    await t.test('a thousand aborted handshakes leave nothing', async () => {
        // their memory: AddressSanitizer's build says at its end what was not given back
        const descriptors = () => readdirSync(`/proc/${gw.gateway().pid}/fd`).length;
        const free = descriptors();
        const abort = () =>
            new Promise((resolve) => {
                const socket = net.connect(portOf(gw), '127.0.0.1', () =>
                    socket.write(hello, () => socket.resetAndDestroy()),
                );
                socket.on('error', () => {}).on('close', resolve);
            });
        const round = async () => {
            for (let i = 0; i < 20; i++) {
                await Promise.all(Array.from({ length: 25 }, abort));
            }
        };
        await round();
        await round();
        await eventually('their connections are gone', () => descriptors() <= free);
        assert.equal((await get(gw, '/x')).body, 'fine');
    });
});

test('SIGHUP shows a new certificate; a broken one changes nothing', async (t) => {
    const gw = await start(
        t,
        ...secured(
            api({ routes: { 'GET /x': open(mock()) } }),
            { local: ['localhost', pair(['localhost'], { subject: 'old' })] },
            user,
        ),
    );
    const shown = async () => {
        const socket = await handshake(gw, { servername: 'localhost' });
        const { CN } = socket.getPeerCertificate().subject;
        socket.destroy();
        return CN;
    };
    const write = (pairs) => {
        for (const [name, text] of Object.entries(files(pairs))) {
            gw.write(name, text);
        }
    };
    assert.equal(await shown(), 'old');
    const kept = new https.Agent({ keepAlive: true, maxSockets: 1 });
    assert.equal((await get(gw, '/x', { agent: kept })).status, 200);
    write({ local: pair(['localhost'], { subject: 'new' }) });
    process.kill(gw.pid, 'SIGHUP');
    await eventually('the new one', async () => (await shown()) === 'new');
    assert.equal((await get(gw, '/x', { agent: kept })).status, 200);
    kept.destroy();
    gw.write('local.pem', pair(['localhost'], { subject: 'other' }).chain);
    process.kill(gw.pid, 'SIGHUP');
    await gw.waitFor(/local-key\.pem does not belong to the certificate in .*local\.pem/);
    await gw.waitFor('the former certificates go on');
    assert.equal(await shown(), 'new');
    gw.write('local.pem', 'nonsense');
    process.kill(gw.pid, 'SIGHUP');
    await gw.waitFor(/local\.pem holds no PEM certificate/);
    assert.equal(await shown(), 'new');
});

test('a key that only root can read is enough to start', { skip: !isRoot }, async (t) => {
    const [project, options] = secured(api({ routes: { 'GET /x': open(mock(200, 'x')) } }), {
        local: ['localhost', pair(['localhost'])],
    });
    const gw = await start(t, project, {
        ...options,
        prepare: (daemon) => chmodSync(path.join(daemon.dir, 'local-key.pem'), 0o600),
    });
    assert.equal((await get(gw, '/x')).body, 'x');
    const status = readFileSync(`/proc/${gw.gateway().pid}/status`, 'utf8');
    assert.doesNotMatch(status, /^Uid:\s+0/m);
    process.kill(gw.pid, 'SIGHUP');
    await gw.waitFor(/local-key\.pem cannot be read: Permission denied/);
    await gw.waitFor('the former certificates go on');
    assert.equal((await get(gw, '/x')).body, 'x');
});

test('dev makes a certificate for localhost, and keeps it', async (t) => {
    const project = api({ routes: { 'GET /x': open(mock(200, 'x')) } });
    const gw = await start(t, project, { args: ['--gateway-tls', '127.0.0.1:0'] });
    const file = path.join(gw.state, 'localhost.pem');
    const own = readFileSync(file, 'utf8');
    await gw.waitFor(`clients may trust ${file}`);
    for (const name of ['localhost.pem', 'localhost-key.pem']) {
        assert.equal(statSync(path.join(gw.state, name)).mode & 0o777, 0o600);
    }
    assert.equal((await get(gw, '/x', { ca: own })).body, 'x');
    await gw.end();
    await gw.launch();
    await gw.ready();
    assert.equal(readFileSync(file, 'utf8'), own);
    assert.equal((await get(gw, '/x', { ca: own })).body, 'x');
});

test('certificates that cannot be shown are refused at the start', async (t) => {
    const project = api({ routes: { 'GET /x': open(mock()) } });
    const good = pair(['localhost']);
    const refused = async (rows, wrong, more = {}) => {
        const [one, options] = served(
            { ...project, files: { ...project.files, ...files({ local: good }), ...more } },
            `${user}listen: {gateway_tls: "127.0.0.1:0"}\n${rows}`,
        );
        const { code, transcript } = await refusal(t, one, options);
        assert.match(transcript, wrong);
        assert.notEqual(code, 0);
    };
    const row = (fields) => `tls: [{${fields}}]\n`;
    const local = 'certificate: local.pem, key: local-key.pem';
    await refused('', /the TLS listener needs a certificate/);
    await refused(row('domain: localhost, certificate: no.pem, key: local-key.pem'), /ropeline\.yaml:\d+:\d+: error: .*no\.pem cannot be read: No such file/);
    await refused(row('domain: localhost, certificate: local-key.pem, key: local-key.pem'), /holds no PEM certificate/);
    await refused(row('domain: localhost, certificate: local.pem, key: local.pem'), /holds no PEM private key/);
    await refused(row('domain: localhost, certificate: local.pem, key: other.pem'), /does not belong to the certificate/, { 'other.pem': pair(['x']).key });
    await refused(row(`domain: localhost, ${local}, truststore: ca.pem`), /truststore \(mutual TLS\) is not served yet/);
    await refused(row(`domain: "a..b", ${local}`), /a\.\.b is no domain/);
    await refused(row(`domain: "*.*.b", ${local}`), /is no domain/);
    await refused(row(`domain: localhost, certificate: local.pem`), /write \{domain: NAME/);
    await refused(row(`domain: localhost, ${local}, more: 1`), /unknown key more/);
    await refused(`tls: [{domain: localhost, ${local}}, {domain: Localhost, ${local}}]\n`, /a second certificate for localhost/);
});

test('a certificate that clients will refuse is said', async (t) => {
    const OLD = { from: new Date('2020-01-01'), until: new Date('2021-01-01') };
    const gw = await start(
        t,
        ...secured(api({ routes: { 'GET /x': open(mock()) } }), {
            old: ['localhost', pair(['localhost'], OLD)],
            other: ['other.test', pair(['another.test'])],
        }),
    );
    await gw.waitFor(/warning: the certificate in .*old\.pem has expired/);
    await gw.waitFor(/warning: the certificate in .*other\.pem is not for other\.test/);
    const check = async () => ropeline(['check', 'ropeline.yaml'], { cwd: gw.dir });
    const warned = await check();
    assert.match(warned.all, /old\.pem has expired/);
    assert.equal(warned.code, 0, warned.all);
    gw.write('old.pem', 'nonsense');
    const refused = await check();
    assert.match(refused.all, /ropeline\.yaml:\d+:\d+: error: .*old\.pem holds no PEM certificate/);
    assert.equal(refused.code, 1);
});
