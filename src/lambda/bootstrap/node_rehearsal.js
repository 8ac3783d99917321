/* SPDX-License-Identifier: Apache-2.0
 * Invocations from end to end, with ourselves as the daemon at the other end of the socket: what is
 * compiled, read and set up here, need not be when a function is waited for. Invariant: no code of
 * a function is there yet, and nothing that one could see is left behind.
 */
'use strict';

const crypto = require('crypto');
const { closeSync, writeSync } = require('fs');

const TIMES = 3;
const EVENT = 'Lambda-Runtime-Aws-Request-Id: 0\r\nLambda-Runtime-Deadline-Ms: 0\r\n';

/** `stage` is what ./node.js lets us do; `near` and `far` are the ends of one socket; `loaded` is
 *  the function that is invoked, ours if there is none. */
async function rehearse(stage, near, far, loaded = { handler, streaming: false, isAsync: true }) {
    const reply = (line, fields, text) => writeSync(far,
        `HTTP/1.1 ${line}\r\n${fields}Content-Length: ${text.length}\r\n\r\n${text}`);
    const until = async (requests) => {
        while (stage.requests() !== requests) {
            await stage.turn();
        }
    };
    stage.open(near, loaded);
    for (let i = 0; i < TIMES; i++) {
        await until(1);
        reply('200 OK', EVENT, '{"rehearsal":true}');
        await until(2); // its result, and the next event
        reply('202 Accepted', '', '{}');
    }
    await until(1);
    await unseen('stderr', () => stage.close()); // a socket asks when it closes whether it is that
    closeSync(far);
}

/** Does `deed` without process[name], which node makes when it is looked at. */
function unseen(name, deed) {
    const property = Object.getOwnPropertyDescriptor(process, name);
    Object.defineProperty(process, name, { value: null, configurable: true });
    try {
        return deed();
    } finally {
        Object.defineProperty(process, name, property);
    }
}

/** What authorizers do, as far as it costs more the first time. */
async function handler() {
    const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const signature = crypto.createSign('SHA256').update(pem).sign(privateKey);
    crypto.createVerify('SHA256').update(pem).verify(crypto.createPublicKey(pem), signature);
    const mac = crypto.createHmac('SHA256', crypto.createSecretKey(signature)).update(pem).digest();
    crypto.timingSafeEqual(mac, mac);
    crypto.createHash('SHA256').update(pem).digest('base64url');
    crypto.randomUUID();
    await new Promise((resolve) => { setTimeout(resolve, 0); });
    return {};
}

module.exports = { rehearse, handler };
