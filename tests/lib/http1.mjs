/* SPDX-License-Identifier: Apache-2.0
 * A small HTTP/1 reader of our own, for both ends of the gateway: it cuts a byte stream into
 * messages and keeps every byte of their heads. It is strict, so what it accepts is what was sent.
 */
import net from 'node:net';

function fieldsOf(lines) {
    return lines.map((line) => {
        const colon = line.indexOf(':');
        if (colon < 1) {
            throw new Error(`no header field: ${JSON.stringify(line)}`);
        }
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
}

export class Message {
    chunks = [];

    constructor(head, side) {
        const [first, ...lines] = head.slice(0, -4).split('\r\n');
        const words = first.split(' ');
        this.head = head;
        this.headers = fieldsOf(lines);
        if (side === 'request') {
            [this.method, this.target, this.version] = words;
        } else {
            this.version = words[0];
            this.status = Number(words[1]);
        }
    }

    /** All values of a header field, joined; undefined when it is absent. */
    header(name) {
        const found = this.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase());
        return found.length > 0 ? found.map(([, value]) => value).join(', ') : undefined;
    }

    /** The field names, lower case, in order. */
    get names() {
        return this.headers.map(([name]) => name.toLowerCase());
    }

    get body() {
        return Buffer.concat(this.chunks);
    }

    get text() {
        return this.body.toString('utf8');
    }

    get json() {
        return JSON.parse(this.text);
    }

    get length() {
        return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    }
}

/** Feeds on bytes; tells of each head and of each whole message. */
export class Reader {
    rest = Buffer.alloc(0);
    message = null;

    constructor(side, { onMessage, onHead = () => {}, bodyless = () => false }) {
        Object.assign(this, { side, onMessage, onHead, bodyless });
    }

    push(bytes) {
        this.rest = this.rest.length > 0 ? Buffer.concat([this.rest, bytes]) : bytes;
        while (this.message ? this.takeBody() : this.takeHead());
    }

    /** The stream has ended: a body that lasts until then is whole now. */
    end() {
        if (this.message && this.framing === 'close') {
            this.finish();
        }
        return this.message === null && this.rest.length === 0;
    }

    takeHead() {
        const stop = this.rest.indexOf('\r\n\r\n');
        if (stop < 0) {
            return false;
        }
        const message = new Message(this.rest.toString('latin1', 0, stop + 4), this.side);
        this.rest = this.rest.subarray(stop + 4);
        if (message.status >= 100 && message.status < 200) {
            this.onMessage(message);
            return true;
        }
        const length = message.header('content-length');
        const coding = message.header('transfer-encoding');
        this.message = message;
        this.left = Number(length ?? 0);
        this.framing = this.bodyless(message)
            ? 'none'
            : coding
              ? 'chunked'
              : length || this.side === 'request'
                ? 'length'
                : 'close';
        this.onHead(message);
        return this.framing === 'none' || (this.framing === 'length' && this.left === 0)
            ? this.finish()
            : true;
    }

    finish() {
        const message = this.message;
        this.message = null;
        this.onMessage(message);
        return true;
    }

    takeBody() {
        return this.framing === 'chunked' ? this.takeChunk() : this.takePlain();
    }

    takePlain() {
        const piece = this.framing === 'length' ? this.rest.subarray(0, this.left) : this.rest;
        if (piece.length === 0) {
            return false;
        }
        this.message.chunks.push(piece);
        this.rest = this.rest.subarray(piece.length);
        this.left -= piece.length;
        return this.framing === 'length' && this.left === 0 ? this.finish() : this.rest.length > 0;
    }

    takeChunk() {
        const stop = this.rest.indexOf('\r\n');
        if (stop < 0) {
            return false;
        }
        const line = this.rest.toString('latin1', 0, stop);
        const size = parseInt(line, 16);
        if (!/^[0-9a-f]+$/i.test(line)) {
            throw new Error(`no chunk size: ${JSON.stringify(line)}`);
        }
        if (size === 0) {
            const end = this.rest.indexOf('\r\n\r\n', stop);
            if (end < 0) {
                return false;
            }
            const lines = this.rest.toString('latin1', stop + 2, Math.max(end, stop + 2));
            this.message.trailers = fieldsOf(lines.split('\r\n').filter(Boolean));
            this.rest = this.rest.subarray(end + 4);
            return this.finish();
        }
        if (this.rest.length < stop + 2 + size + 2) {
            return false;
        }
        this.message.chunks.push(this.rest.subarray(stop + 2, stop + 2 + size));
        this.rest = this.rest.subarray(stop + 2 + size + 2);
        return true;
    }
}

/**
 * One TCP connection on which a test writes bytes as it likes. `responses` holds what came back,
 * `closed` becomes true when the other side has ended the connection.
 */
export class Wire {
    responses = [];
    closed = false;
    bytes = [];
    waiters = new Set();

    constructor(port, { methods = [] } = {}) {
        this.methods = methods;
        this.socket = net.connect(port, '127.0.0.1');
        this.socket.setNoDelay(true);
        this.reader = new Reader('response', {
            onMessage: (message) => {
                this.responses.push(message);
            },
            bodyless: (message) =>
                message.status === 204 ||
                message.status === 304 ||
                this.methods[this.responses.length] === 'HEAD',
        });
        this.socket.on('data', (bytes) => {
            this.bytes.push(bytes);
            this.reader.push(bytes);
            this.wake();
        });
        const over = () => {
            if (!this.closed) {
                this.closed = true;
                this.whole = this.reader.end();
                this.socket.end();
                this.wake();
            }
        };
        this.socket.on('end', over).on('close', over).on('error', over);
        this.opened = new Promise((resolve) =>
            this.socket.on('connect', resolve).on('error', resolve),
        );
    }

    wake() {
        for (const waiter of this.waiters) {
            waiter();
        }
    }

    async write(bytes) {
        await this.opened;
        if (!this.closed) {
            await new Promise((resolve) => this.socket.write(bytes, 'latin1', resolve));
        }
    }

    /** Waits until `reached()`, at most `ms`; says whether it was reached. */
    async until(reached, ms = 10_000) {
        if (reached()) {
            return true;
        }
        return new Promise((resolve) => {
            const waiter = () => {
                if (reached()) {
                    done(true);
                }
            };
            const late = setTimeout(() => done(false), ms);
            const done = (how) => {
                clearTimeout(late);
                this.waiters.delete(waiter);
                resolve(how);
            };
            this.waiters.add(waiter);
        });
    }

    /** The n-th response, counted from 1. */
    async response(n = this.responses.length + 1) {
        await this.until(() => this.responses.length >= n || this.closed);
        if (this.responses.length < n) {
            throw new Error(`no response ${n}; got ${JSON.stringify(this.text)}`);
        }
        return this.responses[n - 1];
    }

    /** Whether the other side ends the connection within `ms`. */
    async ends(ms = 5000) {
        return this.until(() => this.closed, ms);
    }

    get text() {
        return Buffer.concat(this.bytes).toString('latin1');
    }

    destroy() {
        this.socket.destroy();
    }
}

/**
 * Sends bytes on a connection of their own and waits for one response and for what becomes of the
 * connection: {response, responses, closed, text}. `closed` is judged 60 ms after the response.
 */
export async function raw(port, bytes, { responses = 1, methods, linger = 60 } = {}) {
    const wire = new Wire(port, { methods });
    try {
        await wire.write(bytes);
        await wire.until(() => wire.closed || wire.responses.length >= responses);
        await wire.until(() => wire.closed, linger);
        const { closed, text } = wire;
        return { response: wire.responses[0], responses: wire.responses, closed, text };
    } finally {
        wire.destroy();
    }
}
