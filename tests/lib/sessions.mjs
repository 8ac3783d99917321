/* SPDX-License-Identifier: Apache-2.0
 * Sessions of the identity core: what a backend with the SDK asks of the core, and how a client
 * shows its access token.
 */
import { randomUUID } from 'node:crypto';

/** The claims of a token. */
export const decode = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
export const bearer = (token) => ({ Authorization: `Bearer ${token}` });
export const cookie = (token, more = {}) => ({ Cookie: `a=b; sAccessToken=${encodeURIComponent(token)}`, ...more });

/** What a backend with the SDK does, by the calls that it makes. */
export class Backend {
    constructor(core) {
        this.core = core;
    }

    session(claims = {}, { user = randomUUID(), csrf = false } = {}) {
        return this.core.ok('POST', '/recipe/session', {
            userId: user,
            enableAntiCsrf: csrf,
            userDataInJWT: claims,
            userDataInDatabase: {},
        });
    }

    refresh({ refreshToken: { token } }) {
        return this.core.ok('POST', '/recipe/session/refresh', {
            refreshToken: token,
            enableAntiCsrf: false,
            useDynamicSigningKey: true,
        });
    }

    revoke(...sessions) {
        return this.core.ok('POST', '/recipe/session/remove', {
            sessionHandles: sessions.map(({ session }) => session.handle),
        });
    }

    role(role, permissions = []) {
        return this.core.ok('PUT', '/recipe/role', { role, permissions });
    }

    give(userId, role) {
        return this.core.ok('PUT', '/recipe/user/role', { userId, role });
    }

    take(userId, role) {
        return this.core.ok('POST', '/recipe/user/role/remove', { userId, role });
    }
}

/** The claims that the SDK makes of roles and permissions. */
export const having = (roles = [], permissions = []) => ({
    'st-role': { v: roles, t: Date.now() },
    'st-perm': { v: permissions, t: Date.now() },
});

/** An OpenAPI document with one route, which only sessions of that app may take; as JSON. */
export const guardedApi = (app, route) =>
    JSON.stringify({
        openapi: '3.0.1',
        info: { title: 'sessions', version: '1' },
        paths: {
            [route]: {
                get: {
                    responses: {},
                    security: [{ session: [] }],
                    'x-amazon-apigateway-integration': {
                        type: 'mock',
                        requestTemplates: { 'application/json': '{"statusCode": 200}' },
                        responses: { default: { statusCode: '200' } },
                    },
                },
            },
        },
        components: {
            securitySchemes: {
                session: { type: 'http', scheme: 'bearer', 'x-ropeline-session': { app } },
            },
        },
    });
