/* SPDX-License-Identifier: Apache-2.0
 * Certificates made on the spot (RFC 5280): an authority, servers with good and bad names and
 * dates. Only what X.509 needs of DER is here.
 */
import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIPv4 } from 'node:net';

function tlv(tag, ...parts) {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
    const { length } = body;
    const size =
        length < 128
            ? [length]
            : length < 256
              ? [0x81, length]
              : [0x82, length >> 8, length & 255];
    return Buffer.concat([Buffer.from([tag, ...size]), body]);
}
const sequence = (...parts) => tlv(0x30, ...parts);
const integer = (bytes) => tlv(0x02, bytes);
const octets = (...parts) => tlv(0x04, ...parts);
const bits = (bytes) => tlv(0x03, [0], bytes);
const yes = tlv(0x01, [0xff]);
const time = (date) => tlv(0x18, `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`);

function oid(text) {
    const [first, second, ...rest] = text.split('.').map(Number);
    const bytes = [first * 40 + second];
    for (const n of rest) {
        const part = [n & 127];
        for (let left = n >> 7; left; left >>= 7) {
            part.unshift((left & 127) | 128);
        }
        bytes.push(...part);
    }
    return tlv(0x06, bytes);
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const name = (commonName) => sequence(tlv(0x31, sequence(oid('2.5.4.3'), tlv(0x0c, commonName))));
const extension = (id, critical, value) =>
    sequence(oid(id), ...(critical ? [yes] : []), octets(value));
const alternative = (host) =>
    isIPv4(host) ? tlv(0x87, host.split('.').map(Number)) : tlv(0x82, host);

const DAY = 86_400_000;

/**
 * A certificate for `names` (DNS names and IPv4 addresses), signed by `issuer` (what this function
 * gave before) or by itself. {key, cert} are PEM; `chain` is the certificate and those above it
 * without the root.
 */
export function certificate({
    subject = 'test',
    names = [],
    issuer,
    ca = false,
    from = new Date(Date.now() - DAY),
    until = new Date(Date.now() + 30 * DAY),
    keys = generateKeyPairSync('ec', { namedCurve: 'P-256' }),
} = {}) {
    const spki = createPublicKey(keys.privateKey).export({ type: 'spki', format: 'der' });
    const extensions = [
        extension('2.5.29.19', true, sequence(...(ca ? [yes] : []))),
        ...(names.length
            ? [extension('2.5.29.17', false, sequence(...names.map(alternative)))]
            : []),
    ];
    const body = sequence(
        tlv(0xa0, integer([2])),
        integer([1, ...randomBytes(8)]),
        ECDSA_SHA256,
        name(issuer ? issuer.subject : subject),
        sequence(time(from), time(until)),
        name(subject),
        spki,
        tlv(0xa3, sequence(...extensions)),
    );
    const signature = sign('sha256', body, (issuer ?? { keys }).keys.privateKey);
    const der = sequence(body, ECDSA_SHA256, bits(signature));
    const lines = der.toString('base64').match(/.{1,64}/g);
    const cert = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
    return {
        subject,
        keys,
        cert,
        key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        chain: issuer?.issuer ? cert + issuer.chain : cert,
        issuer,
    };
}

export const authority = (subject = 'Test Root') => certificate({ subject, ca: true });
