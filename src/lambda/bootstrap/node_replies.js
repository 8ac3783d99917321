/* SPDX-License-Identifier: Apache-2.0
 * Replies of the Runtime API out of the bytes of a socket. Invariant: a reply is delivered whole, or
 * what the peer sent is refused; nothing is guessed.
 */
'use strict';

const { allocUnsafe, concat, from: bytesFrom } = Buffer;

const READ_BYTES = 64 * 1024; // one read, and the longest reply head
const BODY_BYTES_MAX = 64 * 1024 * 1024; // the limit that counts (6 MiB) is the daemon's
const HEAD = /^HTTP\/1\.1 ([2-5]\d\d)(?: [^\r\n]*)?((?:\r\n[!-9;-~]+:[^\0-\x08\n-\x1f\x7f]*)+)$/;

/** What net.Socket calls `onread`: it calls deliver({ status, length, fields }, text) for each
 *  reply, or refuse(why), which does not return. */
function replyReader(deliver, refuse) {
    let held = null; // the beginning of a reply head that came in pieces
    let reply = null; // a reply whose body is still coming in …
    let body = null; // … into this
    let filled = 0;

    function parseHead(text) {
        const head = HEAD.exec(text);
        if (head === null) {
            refuse('reply that is not HTTP/1.1');
        }
        const fields = { __proto__: null };
        for (const line of head[2].slice(2).split('\r\n')) {
            const colon = line.indexOf(':');
            const name = line.slice(0, colon).toLowerCase();
            if (name in fields || name === 'transfer-encoding') {
                refuse(`reply with a header it must not have: ${line}`);
            }
            fields[name] = line.slice(colon + 1).trim();
        }
        const length = fields['content-length'];
        if (!/^\d{1,9}$/.test(length) || Number(length) > BODY_BYTES_MAX) {
            refuse('reply without a usable Content-Length');
        }
        return { status: Number(head[1]), length: Number(length), fields };
    }

    /** Takes a reply's head, and its body if that is all there; returns where it got to. */
    function feedHead(bytes, at, end) {
        const stop = bytes.indexOf('\r\n\r\n', at, 'latin1');
        if (stop < 0 || stop + 4 > end) {
            held = bytesFrom(bytes.subarray(at, end));
            if (held.length > READ_BYTES) {
                refuse('reply head too long');
            }
            return end;
        }
        reply = parseHead(bytes.toString('utf8', at, stop));
        const from = stop + 4;
        if (reply.length <= end - from) { // the common case: nothing is copied but the text itself
            deliver(reply, bytes.toString('utf8', from, from + reply.length));
            return from + reply.length;
        }
        body = allocUnsafe(reply.length);
        filled = 0;
        return from;
    }

    function feedBody(bytes, at, end) {
        const taken = bytes.copy(body, filled, at, end);
        filled += taken;
        if (filled === body.length) {
            const text = body.toString('utf8');
            body = null;
            deliver(reply, text);
        }
        return at + taken;
    }

    /** Takes bytes [from, end), which are only lent: the next read overwrites them. */
    function feed(bytes, from, end) {
        for (let at = from; at < end;) {
            at = body === null ? feedHead(bytes, at, end) : feedBody(bytes, at, end);
        }
    }

    function receive(count, buffer) {
        if (held === null) {
            feed(buffer, 0, count);
        } else {
            const joined = concat([held, buffer.subarray(0, count)]);
            held = null;
            feed(joined, 0, joined.length);
        }
        return true;
    }

    return { buffer: allocUnsafe(READ_BYTES), callback: receive };
}

module.exports = { replyReader };
