/* SPDX-License-Identifier: Apache-2.0
 * An OpenID issuer on loopback whose behaviour a test changes while it runs: which keys it publishes,
 * and how it answers. It counts what it is asked.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import http from 'node:http';
import { jwt } from './tokens.mjs';

/** A key of an issuer: {kid, alg, privateKey, jwk}. */
export function signingKey(kid, alg = 'RS256') {
    const { privateKey, publicKey } = alg.startsWith('ES')
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
    return { kid, alg, privateKey, publicKey, jwk };
}

/** The same with its private members, as a key file has it. */
export const privateJwk = (key) => ({
    ...createPrivateKey(key.privateKey.export({ type: 'pkcs8', format: 'pem' })).export({
        format: 'jwk',
    }),
    kid: key.kid,
    alg: key.alg,
});

export class Issuer {
    asked = { discovery: 0, jwks: 0, introspect: 0 };
    introspected = [];
    tokens = new Map(); // opaque token -> answer
    hostility = {}; // path -> (rq, rs) => void

    static async start(t, { keys = [signingKey('k1')], path = '' } = {}) {
        const issuer = new Issuer();
        issuer.keys = keys;
        issuer.server = http.createServer((rq, rs) => issuer.answer(rq, rs));
        await new Promise((resolve) => issuer.server.listen(0, '127.0.0.1', resolve));
        issuer.port = issuer.server.address().port;
        issuer.origin = `http://127.0.0.1:${issuer.port}`;
        issuer.url = issuer.origin + path;
        t.after(() => issuer.stop());
        return issuer;
    }

    answer(rq, rs) {
        const path = rq.url;
        const what = path.includes('openid-configuration')
            ? 'discovery'
            : path.includes('jwks')
              ? 'jwks'
              : 'introspect';
        this.asked[what]++;
        const json = (value) => {
            rs.setHeader('Content-Type', 'application/json');
            rs.end(typeof value === 'string' ? value : JSON.stringify(value));
        };
        if (this.hostility[what]) {
            this.hostility[what](rq, rs, json);
        } else if (what === 'discovery') {
            json({ issuer: this.url, jwks_uri: `${this.origin}/keys/jwks` });
        } else if (what === 'jwks') {
            json({ keys: this.keys.map(({ jwk }) => jwk) });
        } else {
            this.introspect(rq, json);
        }
    }

    introspect(rq, json) {
        let body = '';
        rq.on('data', (chunk) => {
            body += chunk;
        });
        rq.on('end', () => {
            const form = new URLSearchParams(body);
            this.introspected.push({ form, authorization: rq.headers.authorization });
            json(this.tokens.get(form.get('token')) ?? { active: false });
        });
    }

    /** A token of this issuer; `claims` over the usual ones, `how` as jwt() takes it. */
    token(claims = {}, { key = this.keys[0], ...how } = {}) {
        const now = Math.floor(Date.now() / 1000);
        const all = { iss: this.url, aud: 'api', sub: 'ana', iat: now, exp: now + 600, ...claims };
        for (const name of Object.keys(all)) {
            if (all[name] === undefined) {
                delete all[name];
            }
        }
        return jwt(all, { alg: key.alg, kid: key.kid, key: key.privateKey, ...how });
    }

    opaque(answer) {
        const token = randomBytes(24).toString('base64url');
        this.tokens.set(token, answer);
        return token;
    }

    /** Answers nothing until resume(): an outage. */
    async stop() {
        this.server.closeAllConnections();
        await new Promise((resolve) => this.server.close(resolve));
    }

    async resume() {
        this.server = http.createServer((rq, rs) => this.answer(rq, rs));
        await new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    }
}
