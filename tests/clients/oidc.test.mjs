/* SPDX-License-Identifier: Apache-2.0
 * A real OpenID provider (npm oidc-provider) and a real client of it (openid-client), both on
 * loopback: its access tokens through a JWT authorizer, while its keys rotate and while it is down;
 * its opaque tokens by introspection, natively and by a Lambda authorizer that asks for itself.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import { start, test } from '../lib/daemon.mjs';

const libraries = await Promise.all([import('oidc-provider'), import('openid-client')]).catch(
    () => null,
);
const skip = libraries ? false : 'oidc-provider is not installed (script/bootstrap --test)';
const [{ Provider } = {}, client] = libraries ?? [{}];

const CLIENT = 'svc';
const SECRET = 's3cret-of-the-client-that-nobody-prints';
const API = 'https://api.test';
const OPAQUE = 'https://opaque.test';
const CALLBACK = 'http://127.0.0.1:9/callback';

const newKey = (kid) => ({
    ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }),
    kid,
    alg: 'RS256',
    use: 'sig',
});

/** The provider with these keys; the first signs. */
function provider(issuer, keys) {
    const made = new Provider(issuer, {
        jwks: { keys },
        clients: [
            {
                client_id: CLIENT,
                client_secret: SECRET,
                grant_types: ['client_credentials', 'authorization_code'],
                redirect_uris: [CALLBACK],
                response_types: ['code'],
            },
        ],
        scopes: ['openid', 'read', 'write'],
        cookies: { keys: ['a secret of the test'] },
        findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
        interactions: { url: (_, { uid }) => `/interaction/${uid}` },
        features: {
            devInteractions: { enabled: false },
            clientCredentials: { enabled: true },
            introspection: { enabled: true },
            revocation: { enabled: true },
            resourceIndicators: {
                enabled: true,
                defaultResource: () => API,
                useGrantedResource: () => true,
                getResourceServerInfo: (_, resource) => ({
                    scope: 'read write',
                    audience: resource,
                    accessTokenFormat: resource === OPAQUE ? 'opaque' : 'jwt',
                    jwt: { sign: { alg: 'RS256' } },
                }),
            },
        },
    });
    made.on('server_error', (_, e) => console.error('provider:', e));
    return made;
}

/** Signs ana in and grants what was asked for, as its page with two buttons would. */
async function interact(op, rq, rs) {
    const details = await op.interactionDetails(rq, rs);
    const { params, grantId, session } = details;
    if (details.prompt.name === 'login') {
        await op.interactionFinished(rq, rs, { login: { accountId: 'ana' } });
        return;
    }
    const grant = grantId
        ? await op.Grant.find(grantId)
        : new op.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope('openid read write');
    grant.addResourceScope(API, 'read write');
    await op.interactionFinished(rq, rs, { consent: { grantId: await grant.save() } });
}

class Idp {
    async listen(port = 0) {
        this.server = http.createServer((rq, rs) => {
            const done = rq.url.startsWith('/interaction/')
                ? interact(this.op, rq, rs)
                : this.op.callback()(rq, rs);
            Promise.resolve(done).catch((e) => rs.writeHead(500).end(String(e)));
        });
        await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
        this.port = this.server.address().port;
        this.url = `http://127.0.0.1:${this.port}`;
    }

    use(...keys) {
        this.keys = keys;
        this.op = provider(this.url, keys);
    }

    async close() {
        this.server.closeAllConnections();
        await new Promise((resolve) => this.server.close(resolve));
    }
}

async function codeGrant(config) {
    const verifier = client.randomPKCECodeVerifier();
    const state = client.randomState();
    let url = client.buildAuthorizationUrl(config, {
        redirect_uri: CALLBACK,
        scope: 'openid read',
        resource: API,
        state,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
    });
    const jar = new Map();
    while (!url.href.startsWith(CALLBACK)) {
        const rs = await fetch(url, {
            redirect: 'manual',
            headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
        });
        for (const line of rs.headers.getSetCookie()) {
            const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
            jar.set(name, value);
        }
        assert.ok(rs.headers.get('location'), `${url} answered ${rs.status}: ${await rs.text()}`);
        url = new URL(rs.headers.get('location'), url);
    }
    const tokens = await client.authorizationCodeGrant(config, url, {
        pkceCodeVerifier: verifier,
        expectedState: state,
    });
    return tokens.access_token;
}

/* As anybody would write it who has not heard of this gateway. */
const HANDLER = `
const endpoint = process.env.INTROSPECTION_ENDPOINT;
const credentials = Buffer.from(process.env.CLIENT_ID + ':' + process.env.CLIENT_SECRET);
exports.handler = async (event) => {
  const token = (event.authorizationToken || '').replace(/^Bearer /i, '');
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization: 'Basic ' + credentials.toString('base64'),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token }),
  });
  const answer = await response.json();
  if (answer.active !== true) throw new Error('Unauthorized');
  return {
    principalId: answer.sub || answer.client_id,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: event.methodArn }],
    },
    context: { scope: answer.scope },
  };
};`;

const mock = {
    type: 'mock',
    requestTemplates: { 'application/json': '{"statusCode": 200}' },
    responses: { default: { statusCode: '200' } },
};
const route = (name, scopes = []) => ({
    get: { security: [{ [name]: scopes }], 'x-amazon-apigateway-integration': mock },
});
const bearer = (authorizer) => ({
    type: 'apiKey',
    name: 'Authorization',
    in: 'header',
    'x-amazon-apigateway-authorizer': { type: 'token', ...authorizer },
});

function project(idp) {
    const endpoint = `${idp.url}/token/introspection`;
    const text = JSON.stringify({
        Transform: 'AWS::Serverless-2016-10-31',
        Resources: {
            Ask: {
                Type: 'AWS::Serverless::Function',
                Properties: {
                    CodeUri: './Ask',
                    Handler: 'index.handler',
                    Runtime: 'nodejs20.x',
                    Timeout: 10,
                    Environment: {
                        Variables: {
                            INTROSPECTION_ENDPOINT: endpoint,
                            CLIENT_ID: CLIENT,
                            CLIENT_SECRET: SECRET,
                        },
                    },
                },
            },
            Api: {
                Type: 'AWS::Serverless::Api',
                Properties: {
                    StageName: 'dev',
                    DefinitionBody: {
                        openapi: '3.0.1',
                        info: { title: 'a', version: '1' },
                        paths: {
                            '/jwt': route('Native', ['read']),
                            '/opaque': route('Opaque', ['read']),
                            '/handler': route('Handler'),
                        },
                        components: {
                            securitySchemes: {
                                Native: bearer({
                                    'x-ropeline-issuers': [{ issuer: idp.url, audience: API }],
                                    'x-ropeline-typ': 'at+jwt',
                                }),
                                Opaque: bearer({
                                    'x-ropeline-introspection': {
                                        endpoint,
                                        clientId: CLIENT,
                                        clientSecretEnv: 'OIDC_TEST_SECRET',
                                        audience: OPAQUE,
                                    },
                                }),
                                Handler: bearer({
                                    authorizerResultTtlInSeconds: 0,
                                    authorizerUri: {
                                        'Fn::Sub':
                                            'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Ask.Arn}/invocations',
                                    },
                                }),
                            },
                        },
                    },
                },
            },
        },
    });
    return { name: 'template.json', text, stage: 'dev', files: { 'Ask/index.js': HANDLER } };
}

test('an OpenID provider and its client', { skip }, async (t) => {
    const idp = new Idp();
    const first = newKey('first');
    const second = newKey('second');
    await idp.listen();
    t.after(() => idp.close());
    idp.use(first);
    const daemon = await start(t, project(idp), { env: { OIDC_TEST_SECRET: SECRET } });
    const config = await client.discovery(new URL(idp.url), CLIENT, SECRET, undefined, {
        execute: [client.allowInsecureRequests],
    });
    const grant = async (resource, scope = 'read') =>
        (await client.clientCredentialsGrant(config, { resource, scope })).access_token;
    const get = (path, token) => daemon.get(path, { token: `Bearer ${token}` });
    const status = async (path, token) => (await get(path, token)).status;

    await t.test('tokens of both grants are accepted', async () => {
        assert.equal(await status('/jwt', await grant(API)), 200);
        assert.equal(await status('/jwt', await grant(API, 'write')), 401, 'without the scope');
        assert.equal(await status('/jwt', await codeGrant(config)), 200);
        assert.equal(await status('/jwt', await grant('https://other.test')), 401);
    });

    await t.test('its keys rotate without a refused request', async () => {
        const old = await grant(API);
        let going = true;
        const statuses = new Map();
        let latest = old;
        const client8 = async () => {
            while (going) {
                const now = await status('/jwt', latest);
                statuses.set(now, (statuses.get(now) ?? 0) + 1);
            }
        };
        const load = Promise.all(Array.from({ length: 8 }, client8));
        idp.use(second, first); // signs with the new one at once
        latest = await grant(API);
        assert.equal(JSON.parse(Buffer.from(latest.split('.')[0], 'base64url')).kid, 'second');
        for (let i = 0; i < 20; i++) {
            assert.equal(await status('/jwt', old), 200);
            assert.equal(await status('/jwt', latest), 200);
        }
        going = false;
        await load;
        assert.deepEqual([...statuses.keys()], [200]);
    });

    await t.test('an outage refuses nobody', async () => {
        const token = await grant(API);
        const { port } = idp;
        await idp.close();
        for (let i = 0; i < 20; i++) {
            assert.equal(await status('/jwt', token), 200);
        }
        await idp.listen(port);
    });

    await t.test('opaque tokens: natively and by a function, 401 once revoked', async () => {
        const token = await grant(OPAQUE);
        assert.doesNotMatch(token, /\./);
        assert.equal(await status('/opaque', token), 200);
        assert.equal(await status('/handler', token), 200);
        await client.tokenRevocation(config, token);
        assert.equal(await status('/opaque', token), 401);
        assert.equal(await status('/handler', token), 401);
        assert.equal(await status('/opaque', 'made-up'), 401);
        assert.ok(!daemon.transcript.includes(SECRET));
    });
});
