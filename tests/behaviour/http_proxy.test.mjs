/* SPDX-License-Identifier: Apache-2.0
 * HTTP_PROXY: what is sent to a backend and what comes back, streaming both ways, and every way in
 * which a backend can fail. Runs under ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http1 from 'node:http';
import { backend, closedPort, never } from '../lib/backend.mjs';
import { eventually, sleep, start, test } from '../lib/daemon.mjs';
import { api, http } from '../lib/template.mjs';

const MIB = 1024 * 1024;

/** /x is the backend's /x; /{proxy+} below it its own path. */
async function proxied(t, { reply, options, extraRoutes = {} } = {}) {
    const behind = await backend(t, reply);
    const gw = await start(
        t,
        api({
            routes: {
                'ANY /x': http(`${behind.url}/x`, options),
                'ANY /x/{proxy+}': http(`${behind.url}/x/{proxy}`, options),
                ...extraRoutes,
            },
        }),
    );
    return { behind, gw };
}

/* ---- the request ---- */

test('every method goes on as it came, with its query and body', async (t) => {
    const { behind, gw } = await proxied(t);
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const body = method === 'GET' ? undefined : `body of ${method}`;
        const answer = await gw.request(method, '/x/a%20b?q=1&q=2&e=&f&%C3%A9=+', { body });
        assert.equal(answer.status, 200);
        assert.equal(behind.last.method, method);
        assert.equal(behind.last.target, '/x/a%20b?q=1&q=2&e=&f&%C3%A9=+');
        assert.equal(behind.last.text, body ?? '');
    }
});

test('HEAD has an answer without a body', async (t) => {
    const { behind, gw } = await proxied(t, {
        reply: { headers: { 'X-A': '1' }, body: 'seven..' },
    });
    const { response, text } = await gw.raw('HEAD /dev/x HTTP/1.1\r\nHost: a\r\n\r\n', {
        methods: ['HEAD'],
    });
    assert.equal(response.status, 200);
    assert.equal(response.header('content-length'), '7');
    assert.ok(text.endsWith('\r\n\r\n'));
    assert.equal(behind.last.method, 'HEAD');
});

test('the integration may have a method of its own', async (t) => {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({ routes: { 'POST /x': http(`${behind.url}/x`, { method: 'PUT' }) } }),
    );
    await gw.request('POST', '/x', { body: 'a' });
    assert.equal(behind.last.method, 'PUT');
    assert.equal(behind.last.text, 'a');
});

test('mappings fill headers, query and path from the request', async (t) => {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            variables: { color: 'blue' },
            routes: {
                'GET /o/{id}/{part}': http(`${behind.url}/items/{key}/{part}`, {
                    map: {
                        'path.key': 'method.request.path.id',
                        'header.X-Query': 'method.request.querystring.q',
                        'header.X-All': 'method.request.multivaluequerystring.q',
                        'header.X-Agent': 'method.request.header.User-Agent',
                        'header.X-Stage': 'context.stage',
                        'header.X-Color': 'stageVariables.color',
                        'header.X-Fixed': "'fixed text'",
                        'header.X-Absent': 'method.request.header.Absent',
                        'querystring.who': 'context.resourcePath',
                    },
                }),
            },
        }),
    );
    await gw.get('/o/7/p?q=1&q=2', { headers: { 'User-Agent': 'me' } });
    const { target, header } = {
        target: behind.last.target,
        header: (name) => behind.last.header(name),
    };
    assert.match(target, /^\/items\/7\/p\?/);
    assert.match(target, /who=(\/|%2F)o(\/|%2F)(\{|%7B)id(\}|%7D)/);
    assert.deepEqual(
        ['x-query', 'x-all', 'x-agent', 'x-stage', 'x-color', 'x-fixed', 'x-absent'].map(header),
        ['2', '1,2', 'me', 'dev', 'blue', 'fixed text', undefined],
    );
});

test('a chunked body goes on chunked, one of known length with its length', async (t) => {
    const { behind, gw } = await proxied(t);
    await gw.raw(
        'POST /dev/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n' +
            '5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n',
    );
    assert.equal(behind.last.text, 'hello world');
    assert.equal(behind.last.header('transfer-encoding'), 'chunked');
    assert.equal(behind.last.header('content-length'), undefined);
    assert.deepEqual(behind.last.trailers, [], 'trailers end here');
    assert.doesNotMatch(behind.bytes, /ext|X-Trailer/);
    await gw.request('POST', '/x', { body: 'hello' });
    assert.equal(behind.last.header('content-length'), '5');
    assert.equal(behind.last.header('transfer-encoding'), undefined);
});

test('a body without end reaches the backend as it comes', async (t) => {
    const { behind, gw } = await proxied(t);
    const heads = [];
    behind.onHead = (request) => heads.push(request);
    const wire = gw.wire();
    t.after(() => wire.destroy());
    await wire.write('POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst');
    await eventually('the first half is there', () => heads[0]?.length === 5);
    await wire.write('+last');
    assert.equal((await wire.response()).status, 200);
    assert.equal(behind.last.text, 'first+last');
});

test('Expect: 100-continue is met before the body is asked for', async (t) => {
    const { behind, gw } = await proxied(t);
    const wire = gw.wire();
    t.after(() => wire.destroy());
    await wire.write(
        'POST /dev/x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
    );
    assert.equal((await wire.response(1)).status, 100);
    await wire.write('hello');
    assert.equal((await wire.response(2)).status, 200);
    assert.equal(behind.last.text, 'hello');
    assert.equal(behind.last.header('expect'), undefined);
});

test('10 MiB pass, one byte more is 413, counted or chunked', async (t) => {
    const { behind, gw } = await proxied(t);
    const body = Buffer.alloc(10 * MIB, 'x');
    assert.equal((await gw.request('POST', '/x', { body })).status, 200);
    assert.equal(behind.last.length, body.length);
    behind.take();
    const counted = await gw.raw(
        `POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${10 * MIB + 1}\r\n\r\n`,
    );
    assert.equal(counted.response.status, 413);
    assert.equal(behind.requests.length, 0);
    const chunk = `${MIB.toString(16)}\r\n${'x'.repeat(MIB)}\r\n`;
    const chunked = await gw.raw(
        'POST /dev/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n' +
            `${chunk.repeat(10)}1\r\nx`,
    );
    assert.equal(chunked.response.status, 413);
    assert.equal(behind.requests.length, 0, 'a body that was cut is no whole request');
    assert.equal((await gw.get('/x')).status, 200);
});

test('a client that goes on sending can still read its 413', async (t) => {
    const { gw } = await proxied(t);
    const chunk = `${MIB.toString(16)}\r\n${'x'.repeat(MIB)}\r\n`;
    for (let i = 0; i < 5; i++) {
        const { response } = await gw.raw(
            'POST /dev/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n' +
                chunk.repeat(12),
        );
        assert.equal(response?.status, 413);
    }
});

/* ---- the answer ---- */

test("status, headers and body come back; the gateway's own names are renamed", async (t) => {
    const { gw } = await proxied(t, {
        reply: {
            status: 201,
            body: 'made',
            headers: {
                'Content-Type': 'text/x',
                'X-Two': ['a', 'b'],
                'Set-Cookie': ['a=1', 'b=2'],
                Server: 'mine',
                Date: 'then',
                'WWW-Authenticate': 'Basic',
                Location: '/y',
                'x-amzn-RequestId': 'theirs',
            },
        },
    });
    const answer = await gw.get('/x');
    assert.equal(answer.status, 201);
    assert.equal(answer.body, 'made');
    const { headers } = answer;
    assert.equal(headers['content-type'], 'text/x');
    assert.equal(headers['x-two'], 'a, b');
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(headers.location, '/y');
    assert.equal(headers['x-amzn-remapped-server'], 'mine');
    assert.equal(headers['x-amzn-remapped-date'], 'then');
    assert.equal(headers['x-amzn-remapped-www-authenticate'], 'Basic');
    assert.equal(headers['content-length'], '4');
    assert.match(headers['x-amzn-requestid'], /^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    assert.match(headers['x-amz-apigw-id'], /=$/);
    assert.equal(headers['www-authenticate'], undefined);
});

test("an error of the backend is the backend's own", async (t) => {
    const { behind, gw } = await proxied(t);
    for (const status of [301, 404, 401, 500, 503]) {
        behind.reply = () => ({ status, body: `it is ${status}` });
        const answer = await gw.get('/x');
        assert.equal(answer.status, status);
        assert.equal(answer.body, `it is ${status}`);
        assert.equal(answer.headers['x-amzn-errortype'], undefined);
    }
});

test('204 and 304 have no body, and the connection goes on', async (t) => {
    const { behind, gw } = await proxied(t);
    const wire = gw.wire();
    t.after(() => wire.destroy());
    for (const status of [204, 304, 200]) {
        behind.reply = () => ({ status });
        await wire.write('GET /dev/x HTTP/1.1\r\nHost: a\r\n\r\n');
        assert.equal((await wire.response()).status, status);
    }
});

test('a chunked answer, and one that lasts until the backend closes, arrive whole', async (t) => {
    const { behind, gw } = await proxied(t);
    behind.reply = () => ({
        raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\nX-T: 1\r\n\r\n',
    });
    const chunked = await gw.get('/x');
    assert.equal(chunked.body, 'onetwo');
    behind.reply = () => ({ raw: 'HTTP/1.1 200 OK\r\n\r\nuntil the end', close: true });
    const closed = await gw.get('/x');
    assert.equal(closed.body, 'until the end');
    assert.ok(closed.complete);
});

test('1xx answers of a backend do not end the story', async (t) => {
    const { behind, gw } = await proxied(t);
    behind.reply = () => ({
        raw: 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    });
    const answer = await gw.get('/x');
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'ok');
});

test('a large answer streams, and a client that does not read holds the backend back', async (t) => {
    const size = 64 * MIB;
    const { behind, gw } = await proxied(t);
    let sent = 0;
    behind.reply = async (request, socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
        const piece = Buffer.alloc(256 * 1024, 'y');
        while (sent < size && !socket.destroyed) {
            sent += piece.length;
            if (!socket.write(piece)) {
                await new Promise((resolve) =>
                    socket.once('drain', resolve).once('close', resolve),
                );
            }
        }
    };
    const answer = await new Promise((resolve, reject) => {
        http1
            .get({ port: gw.port, host: '127.0.0.1', path: '/dev/x', agent: false }, resolve)
            .on('error', reject);
    });
    answer.pause();
    await eventually('the backend stands still', async () => {
        const before = sent;
        await sleep(300);
        return before === sent && sent > 0;
    });
    assert.ok(sent < size / 2, `${sent} bytes were taken from the backend though nobody reads`);
    let got = 0;
    answer
        .on('data', (data) => {
            got += data.length;
        })
        .resume();
    await new Promise((resolve) => answer.on('close', resolve));
    assert.equal(got, size);
});

test("backends that do not read hold their clients back, not the gateway's memory", async (t) => {
    const { behind, gw } = await proxied(t);
    await gw.get('/x');
    const resident = () =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gw.gateway().pid}/status`, 'utf8'))[1]) /
        1024;
    const held = [];
    behind.onHead = (request, socket) => {
        held.push(socket);
        socket.pause();
    };
    const before = resident();
    const total = 10 * MIB;
    const wires = Array.from({ length: 8 }, () => gw.wire());
    const written = wires.map((wire) =>
        wire.write(
            `POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n${'z'.repeat(total)}`,
        ),
    );
    await eventually('all are at the backend', () => held.length === wires.length);
    await sleep(300);
    const grown = resident() - before;
    assert.ok(grown < 24, `${grown} MiB more for ${wires.length * 10} MiB under way`);
    held.forEach((socket) => socket.resume());
    await Promise.all(written);
    for (const wire of wires) {
        assert.equal((await wire.response(1)).status, 200);
        wire.destroy();
    }
    assert.deepEqual(
        behind.requests.slice(1).map(({ length }) => length),
        wires.map(() => total),
    );
});

/* ---- connections ---- */

test('a client connection serves many requests, and so does a backend connection', async (t) => {
    const { behind, gw } = await proxied(t);
    const wire = gw.wire();
    t.after(() => wire.destroy());
    for (let i = 1; i <= 5; i++) {
        await wire.write(`POST /dev/x/${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n${i}`);
        const answer = await wire.response(i);
        assert.equal(answer.json.target, `/x/${i}`);
    }
    assert.equal(wire.closed, false);
    assert.equal(behind.connections.length, 1);
});

test('pipelined requests are answered in their order', async (t) => {
    const { behind, gw } = await proxied(t);
    behind.reply = async (request) => {
        await sleep(request.target.endsWith('/1') ? 120 : 0);
        return { body: request.target };
    };
    const requests = [1, 2, 3].map((i) => `GET /dev/x/${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join('');
    const { responses } = await gw.raw(requests, { responses: 3 });
    assert.deepEqual(
        responses.map(({ text }) => text),
        ['/x/1', '/x/2', '/x/3'],
    );
});

test('Connection: close is kept to, and HTTP/1.0 closes by itself', async (t) => {
    const { gw } = await proxied(t);
    const closing = await gw.raw('GET /dev/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', {
        linger: 2000,
    });
    assert.equal(closing.response.status, 200);
    assert.ok(closing.closed);
    const old = await gw.raw('GET /dev/x HTTP/1.0\r\nHost: a\r\n\r\n', { linger: 2000 });
    assert.equal(old.response.status, 200);
    assert.ok(old.closed);
});

test("a kept backend connection that has gone away is not the client's problem", async (t) => {
    const { behind, gw } = await proxied(t);
    assert.equal((await gw.get('/x')).status, 200);
    behind.hangUp();
    await sleep(50);
    assert.equal((await gw.get('/x')).status, 200);
    assert.equal(behind.connections.length, 2);
});

test('a POST is never sent twice', async (t) => {
    const { behind, gw } = await proxied(t);
    assert.equal((await gw.request('POST', '/x', { body: 'a' })).status, 200);
    behind.take();
    behind.reply = (request, socket) => {
        socket.destroy();
    };
    const answer = await gw.request('POST', '/x', { body: 'b' });
    assert.equal(answer.status, 504);
    assert.equal(behind.requests.length, 1);
});

/* ---- failures ---- */

test('a backend that is down is 500', async (t) => {
    const port = await closedPort();
    const gw = await start(t, api({ routes: { 'GET /x': http(`http://127.0.0.1:${port}/x`) } }));
    const answer = await gw.get('/x');
    assert.equal(answer.status, 500);
    assert.equal(answer.body, '{"message": "Internal server error"}');
    assert.equal(answer.headers['x-amzn-errortype'], 'InternalServerErrorException');
});

test('a backend whose name does not exist is 500', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': http('http://nobody.invalid/x') } }));
    const answer = await gw.get('/x');
    assert.equal(answer.status, 500);
    assert.equal(answer.body, '{"message": "Internal server error"}');
});

test("a backend that is slow is 504 after the integration's timeout", async (t) => {
    const { gw } = await proxied(t, { reply: never, options: { timeout: 200 } });
    const began = Date.now();
    const answer = await gw.get('/x');
    assert.equal(answer.status, 504);
    assert.equal(answer.body, '{"message": "Endpoint request timed out"}');
    assert.ok(Date.now() - began < 5000);
});

test('a backend that hangs up is 504', async (t) => {
    const { gw } = await proxied(t, {
        reply: (request, socket) => {
            socket.destroy();
        },
    });
    const answer = await gw.request('POST', '/x', { body: 'a' });
    assert.equal(answer.status, 504);
    assert.equal(answer.body, '{"message": "Network error communicating with endpoint"}');
});

const nonsense = {
    'no HTTP at all': 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
    'HTTP/0.9': '<html>hello</html>\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
    'length and chunked':
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
    'a length that is none': 'HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab',
    'bare line feeds': 'HTTP/1.1 200 OK\nContent-Length: 2\n\nab',
    'a field without colon': 'HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nab',
    'a folded field': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nab',
    'a status that is none': 'HTTP/1.1 999 OK\r\nContent-Length: 2\r\n\r\nab',
    'NUL in a field': 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nab',
    'an endless head': `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}\r\n`,
};
test('a backend that talks nonsense is 502, and its connection is not used again', async (t) => {
    const { behind, gw } = await proxied(t);
    for (const [name, bytes] of Object.entries(nonsense)) {
        await t.test(name, async () => {
            behind.reply = () => ({ raw: bytes });
            const answer = await gw.get('/x');
            assert.equal(answer.status, 502);
            assert.equal(answer.body, '{"message": "Internal server error"}');
            const spoilt = behind.last.connection;
            behind.reply = () => ({ body: 'fine' });
            assert.equal((await gw.get('/x')).body, 'fine');
            assert.notEqual(behind.last.connection, spoilt);
        });
    }
});

test('an answer that breaks off half-way never looks whole', async (t) => {
    const { behind, gw } = await proxied(t);
    behind.reply = () => ({
        raw: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
        close: true,
    });
    await assert.rejects(gw.get('/x'));
    behind.reply = () => ({
        raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
        close: true,
    });
    await assert.rejects(gw.get('/x'));
    behind.reply = () => ({
        raw: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n',
    });
    await assert.rejects(gw.get('/x'));
    behind.reply = () => ({ body: 'fine' });
    assert.equal((await gw.get('/x')).body, 'fine');
});

test("what a backend sends beyond its answer never becomes the next client's", async (t) => {
    const { behind, gw } = await proxied(t);
    const stolen = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen';
    behind.reply = (request) => ({
        raw: `HTTP/1.1 200 OK\r\nContent-Length: ${request.target.length}\r\n\r\n${request.target}${stolen}`,
    });
    for (let i = 0; i < 40; i++) {
        assert.equal((await gw.get(`/x/${i}`)).body, `/x/${i}`);
    }
});

test('many clients at once each get their own answer', async (t) => {
    const { behind, gw } = await proxied(t);
    behind.reply = async (request) => {
        await sleep(Math.random() * 20);
        return { body: request.target + request.text };
    };
    await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
            const answer = await gw.request('POST', `/x/${i}`, { body: `-${i}` });
            assert.equal(answer.body, `/x/${i}-${i}`);
        }),
    );
});

test('a client that vanishes takes its backend request with it', async (t) => {
    const { behind, gw } = await proxied(t);
    behind.reply = never;
    const wire = gw.wire();
    await wire.write('GET /dev/x HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually('the backend has the request', () => behind.requests.length === 1);
    wire.destroy();
    await eventually('the backend connection ends', () => behind.connections[0].ended);
    behind.reply = () => ({ body: 'fine' });
    assert.equal((await gw.get('/x')).body, 'fine');
});

test('a client that vanishes in the middle of its body leaves no half request behind', async (t) => {
    const { behind, gw } = await proxied(t);
    const heads = [];
    behind.onHead = (request) => heads.push(request);
    const wire = gw.wire();
    await wire.write('POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
    await eventually('half of it is there', () => heads[0]?.length === 4);
    wire.destroy();
    await eventually('the backend connection ends', () => behind.connections[0].ended);
    assert.equal(behind.requests.length, 0);
});

test('an early answer does not wait for the body', async (t) => {
    const { behind, gw } = await proxied(t);
    behind.onHead = (request, socket) =>
        socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    const wire = gw.wire();
    t.after(() => wire.destroy());
    await wire.write('POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf');
    assert.equal((await wire.response()).status, 403);
    wire.destroy();
});
