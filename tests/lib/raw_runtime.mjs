/* SPDX-License-Identifier: Apache-2.0
 * A custom runtime that says to the Runtime API what its event tells it to, byte by byte. It runs as
 * the `bootstrap` of a function behind AWS_PROXY: the body of a request is a list of steps, and what
 * each was answered is the body of the answer, and a line in $CALLS: an invocation may have ended
 * before it could be told.
 */

/* The program: no template literal of this file may be expanded in it. */
const PROGRAM = String.raw`
'use strict';
const fs = require('node:fs');
const net = require('node:net');
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const API = '/2018-06-01/runtime';

/** One connection; reply() is its next whole reply, or 'closed'. */
class Wire {
    bytes = Buffer.alloc(0);
    waiting = null;
    closed = false;

    constructor(to = { host, port }) {
        this.socket = net.connect({ ...to, allowHalfOpen: true });
        this.socket.on('data', (data) => { this.bytes = Buffer.concat([this.bytes, data]); this.tell(); });
        for (const event of ['end', 'error', 'close']) {
            this.socket.on(event, () => { this.closed = true; this.tell(); });
        }
    }

    tell() { this.waiting?.(); }

    cut() {
        const stop = this.bytes.indexOf('\r\n\r\n');
        if (stop < 0) return null;
        const head = this.bytes.toString('latin1', 0, stop);
        const status = Number(head.split(' ')[1]);
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
        if (this.bytes.length < stop + 4 + length) return null;
        const body = this.bytes.toString('utf8', stop + 4, stop + 4 + length);
        this.bytes = this.bytes.subarray(stop + 4 + length);
        const id = /^lambda-runtime-aws-request-id: *(\S+)/im.exec(head)?.[1];
        return { status, head, body, id };
    }

    async reply() {
        for (;;) {
            const got = this.cut();
            if (got?.status === 100) continue;
            if (got) return got;
            if (this.closed) return 'closed';
            await new Promise((resolve) => { this.waiting = resolve; });
        }
    }

    send(data) { return new Promise((resolve) => this.socket.write(data, 'latin1', resolve)); }
}

async function perform(step, id, main) {
    const { send, repeat, times = 1, pieces, halfClose, to, wait = true } = step;
    const wire = step.connection === 'main' ? main : new Wire(to);
    const fill = (text) => text.replaceAll('$ID', id).replaceAll('$API', API);
    let data = fill(send);
    if (repeat) data = data.replace('$REPEAT', repeat.repeat(times));
    const size = pieces ?? data.length;
    for (let at = 0; at < data.length; at += size) await wire.send(data.slice(at, at + size));
    if (halfClose) wire.socket.end();
    if (!wait) { wire.socket.destroy(); return 'not waited for'; }
    const got = await wire.reply();
    if (wire !== main) wire.socket.destroy();
    return got === 'closed' ? got : { status: got.status, body: got.body };
}

(async () => {
    const main = new Wire();
    for (;;) {
        await main.send('GET ' + API + '/invocation/next HTTP/1.1\r\nHost: a\r\n\r\n');
        const event = await main.reply();
        if (event === 'closed') return;
        const { steps, last } = JSON.parse(JSON.parse(event.body).body ?? '{"steps":[]}');
        const now = [];
        for (const step of steps) now.push(await perform(step, event.id, main));
        fs.appendFileSync(process.env.CALLS, JSON.stringify(now) + '\n');
        const told = { now, address: process.env.AWS_LAMBDA_RUNTIME_API };
        const body = JSON.stringify({ statusCode: 200, body: JSON.stringify(told) });
        if (last) { // how the answer itself is to be sent
            const hex = Buffer.byteLength(body).toString(16);
            await perform({ ...last, send: last.send.replaceAll('$BODY', body)
                .replaceAll('$LENGTH', String(Buffer.byteLength(body))).replaceAll('$HEX', hex) },
                event.id, main);
            continue;
        }
        await main.send('POST ' + API + '/invocation/' + event.id + '/response HTTP/1.1\r\nHost: a\r\n' +
            'Content-Length: ' + Buffer.byteLength(body) + '\r\n\r\n');
        await main.send(Buffer.from(body));
        await main.reply();
    }
})();
`;

export const RAW_RUNTIME = `#!${process.execPath}\n${PROGRAM}`;

/** Asks the function at `route` to do these things. */
export async function told(gw, route, order) {
    const answer = await gw.request('POST', route, { body: JSON.stringify(order) });
    try {
        return { status: answer.status, ...JSON.parse(answer.body) };
    } catch {
        return { status: answer.status, text: answer.body };
    }
}

export const post = (what, headers, body = '') =>
    `POST $API/invocation/$ID/${what} HTTP/1.1\r\nHost: a\r\n${headers}\r\n${body}`;
