/* SPDX-License-Identifier: Apache-2.0
 * A backend that remembers exactly what it was sent, byte for byte, and answers as a test tells it
 * to: well, slowly, by half, with nonsense or not at all.
 */
import net from 'node:net';
import { Reader } from './http1.mjs';

/** Says what it saw, as JSON. */
function echo(request) {
    return {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ method: request.method, target: request.target }),
    };
}

/** A reply that does not come. */
export const never = () => new Promise(() => {});

export class Backend {
    /** Whole requests, in the order of their last bytes. */
    requests = [];
    /** Every byte of each connection, whether it made sense or not. */
    connections = [];
    sockets = new Set();
    /**
     * What to answer: a function of the request (and its socket) that gives
     * {status, headers, body} or {raw, close} or, when it has written by itself, nothing.
     */
    reply = echo;
    /** Called when a head is here and the body perhaps not. */
    onHead = () => {};

    async start() {
        this.server = net.createServer((socket) => this.serve(socket));
        await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
        this.port = this.server.address().port;
        this.url = `http://127.0.0.1:${this.port}`;
        return this;
    }

    serve(socket) {
        const record = { bytes: [], id: this.connections.length, ended: false };
        this.connections.push(record);
        this.sockets.add(socket);
        socket.setNoDelay(true);
        let turn = Promise.resolve();
        const reader = new Reader('request', {
            onHead: (request) => this.onHead(request, socket),
            onMessage: (request) => {
                request.connection = record.id;
                this.requests.push(request);
                turn = turn.then(() => this.answer(request, socket));
            },
        });
        socket.on('data', (bytes) => {
            record.bytes.push(bytes);
            try {
                reader.push(bytes);
            } catch (e) {
                record.error = e;
                socket.destroy();
            }
        });
        socket.on('end', () => {
            record.ended = true;
            socket.end();
        });
        socket.on('close', () => {
            record.ended = true;
            this.sockets.delete(socket);
        });
        socket.on('error', () => {});
    }

    async answer(request, socket) {
        const reply = await this.reply(request, socket);
        if (!reply || socket.destroyed) {
            return;
        }
        if (reply.raw !== undefined) {
            socket.write(reply.raw, 'latin1');
        } else {
            const { status = 200, headers = {}, body = '' } = reply;
            const lines = Object.entries(headers).flatMap(([name, value]) =>
                [value].flat().map((one) => `${name}: ${one}\r\n`),
            );
            const isBodyless = status === 204 || status === 304;
            const length = isBodyless ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
            socket.write(`HTTP/1.1 ${status} X\r\n${lines.join('')}${length}\r\n`, 'latin1');
            if (request.method !== 'HEAD' && !isBodyless) {
                socket.write(body);
            }
        }
        if (reply.close) {
            socket.end();
        }
    }

    get last() {
        return this.requests.at(-1);
    }

    /** All bytes that ever came, connection by connection. */
    get bytes() {
        return this.connections.map((c) => Buffer.concat(c.bytes).toString('latin1')).join('');
    }

    /** The requests so far, which are then forgotten. */
    take() {
        return this.requests.splice(0);
    }

    async stop() {
        this.hangUp();
        await new Promise((resolve) => this.server.close(resolve));
    }

    hangUp() {
        for (const socket of this.sockets) {
            socket.destroy();
        }
    }
}

/** A backend for the length of a test. */
export async function backend(t, reply) {
    const one = await new Backend().start();
    if (reply) {
        one.reply = typeof reply === 'function' ? reply : () => reply;
    }
    t.after(() => one.stop());
    return one;
}

/** A port on which nobody listens. */
export async function closedPort() {
    const server = net.createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return port;
}
