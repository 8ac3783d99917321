/* SPDX-License-Identifier: Apache-2.0
 * JSON Web Tokens of the tests' own making, signed by node's crypto and by none of our code.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A compact JWS of these claims: HS* with {secret}, RS* and ES* with {key}. */
export function jwt(claims, { alg = 'RS256', kid, key, secret } = {}) {
    const body = `${part({ alg, typ: 'JWT', ...(kid && { kid }) })}.${part(claims)}`;
    const hash = `sha${alg.slice(2)}`;
    const signature = alg.startsWith('HS')
        ? createHmac(hash, secret).update(body).digest()
        : sign(hash, Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' });
    return `${body}.${signature.toString('base64url')}`;
}

/** A key pair: {privateKey, publicKey, privatePem, publicPem}. */
export function rsa() {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    return {
        privateKey,
        publicKey,
        privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        publicPem: publicKey.export({ type: 'spki', format: 'pem' }),
    };
}
