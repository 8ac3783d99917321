/* SPDX-License-Identifier: Apache-2.0
 * Third-party log-in from the redirect to the session: an application with unmodified
 * supertokens-node, a real OpenID provider (npm oidc-provider), our core behind the SDK and our
 * gateway before a route. What went over the wire is printed as a transcript, secrets masked.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { startCore } from '../lib/core.mjs';
import { request, test } from '../lib/daemon.mjs';
import { guardedApi } from '../lib/sessions.mjs';

const libraries = await Promise.all([
    import('oidc-provider'),
    import('supertokens-node'),
    import('supertokens-node/recipe/session/index.js'),
    import('supertokens-node/recipe/thirdparty/index.js'),
    import('supertokens-node/recipe/emailverification/index.js'),
    import('supertokens-node/framework/custom/index.js'),
]).catch(() => null);
const skip = libraries ? false : 'oidc-provider or supertokens-node is not installed (script/bootstrap --test)';
const [{ Provider } = {}, ...sdk] = libraries ?? [{}];
const [supertokens, Session, ThirdParty, EmailVerification, custom] = sdk.map((m) => m.default ?? m);

const CLIENT = 'shop';
const SECRET = 's3cret-of-the-client-that-nobody-prints';

/* ---- the provider ---- */

const PEOPLE = {
    ana: { sub: 'ana', email: 'Ana@Example.com', email_verified: true },
    eve: { sub: 'eve', email: 'ana@example.com', email_verified: false },
};

class Idp {
    user = 'ana';

    async listen(callback) {
        this.server = http.createServer((rq, rs) => {
            const done = rq.url.startsWith('/interaction/')
                ? this.interact(rq, rs)
                : this.op.callback()(rq, rs);
            Promise.resolve(done).catch((e) => rs.writeHead(500).end(String(e)));
        });
        await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
        this.url = `http://127.0.0.1:${this.server.address().port}`;
        this.op = new Provider(this.url, {
            clients: [
                {
                    client_id: CLIENT,
                    client_secret: SECRET,
                    redirect_uris: [callback],
                    grant_types: ['authorization_code'],
                    response_types: ['code'],
                },
            ],
            scopes: ['openid', 'email'],
            claims: { openid: ['sub'], email: ['email', 'email_verified'] },
            conformIdTokenClaims: false,
            cookies: { keys: ['a secret of the test'] },
            pkce: { required: () => true },
            findAccount: (_, id) => ({ accountId: id, claims: () => PEOPLE[id] }),
            interactions: { url: (_, { uid }) => `/interaction/${uid}` },
            features: { devInteractions: { enabled: false } },
        });
        return this;
    }

    /** Signs `user` in and grants what was asked for, as its page with two buttons would. */
    async interact(rq, rs) {
        const { params, grantId, session, prompt } = await this.op.interactionDetails(rq, rs);
        if (prompt.name === 'login') {
            await this.op.interactionFinished(rq, rs, { login: { accountId: this.user } });
            return;
        }
        const grant = grantId
            ? await this.op.Grant.find(grantId)
            : new this.op.Grant({ accountId: session.accountId, clientId: params.client_id });
        grant.addOIDCScope('openid email');
        await this.op.interactionFinished(rq, rs, { consent: { grantId: await grant.save() } });
    }

    close() {
        this.server.closeAllConnections();
        return new Promise((resolve) => this.server.close(resolve));
    }
}

/* ---- the application ---- */

/** The SDK's own routes under /auth, by its framework for anything that is no framework. */
async function serve(rq, rs) {
    const chunks = [];
    for await (const chunk of rq) {
        chunks.push(chunk);
    }
    const url = new URL(rq.url, `http://${rq.headers.host}`);
    const cookies = Object.fromEntries(
        (rq.headers.cookie ?? '').split('; ').filter(Boolean).map((one) => one.split('=')),
    );
    const given = new custom.PreParsedRequest({
        url: url.href,
        method: rq.method.toLowerCase(),
        cookies,
        query: Object.fromEntries(url.searchParams),
        headers: new Headers(Object.entries(rq.headers).map(([k, v]) => [k, String(v)])),
        getFormBody: async () => Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())),
        getJSONBody: async () => JSON.parse(Buffer.concat(chunks).toString() || '{}'),
    });
    const answer = new custom.CollectingResponse();
    const { handled, error } = await custom.middleware(() => given)(given, answer);
    rs.writeHead(error ? 500 : handled ? answer.statusCode : 404, Object.fromEntries(answer.headers));
    rs.end(answer.body);
}

async function application(t, core, app, idp) {
    const server = http.createServer((rq, rs) => {
        serve(rq, rs).catch((e) => rs.writeHead(500).end(String(e)));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const url = `http://127.0.0.1:${server.address().port}`;
    await idp.listen(`${url}/callback/acme`);
    t.after(() => idp.close());
    supertokens.init({
        framework: 'custom',
        supertokens: { connectionURI: `${core.url}/appid-${app}` },
        appInfo: { appName: 'shop', apiDomain: url, websiteDomain: url },
        recipeList: [
            EmailVerification.init({ mode: 'OPTIONAL' }),
            ThirdParty.init({
                signInAndUpFeature: {
                    providers: [
                        {
                            config: {
                                thirdPartyId: 'acme',
                                oidcDiscoveryEndpoint: `${idp.url}/.well-known/openid-configuration`,
                                clients: [{ clientId: CLIENT, clientSecret: SECRET, scope: ['openid', 'email'] }],
                            },
                        },
                    ],
                },
            }),
            Session.init({ getTokenTransferMethod: () => 'header' }),
        ],
    });
    return { url, callback: `${url}/callback/acme` };
}

/* ---- the browser ---- */

const MASKED = /\b(code|state|code_challenge|nonce|iss)=([^&]+)/g;
const mask = (text) => text.replace(MASKED, (_, name, value) => `${name}=${value.slice(0, 4)}...`);

class Browser {
    constructor(site, say) {
        Object.assign(this, { ...site, say, jar: new Map() });
    }

    async json(method, path, body) {
        const rs = await fetch(this.url + path, {
            method,
            headers: { 'Content-Type': 'application/json', 'st-auth-mode': 'header' },
            body: body && JSON.stringify(body),
        });
        this.say(`${method} ${mask(path)} -> ${rs.status}`);
        return { status: rs.status, headers: rs.headers, body: await rs.json().catch(() => null) };
    }

    /** Follows redirects until the one that leads back to the application. */
    async follow(target) {
        let url = new URL(target);
        while (!url.href.startsWith(this.callback)) {
            const rs = await fetch(url, {
                redirect: 'manual',
                headers: { cookie: [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ') },
            });
            for (const line of rs.headers.getSetCookie()) {
                const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
                this.jar.set(name, value);
            }
            const next = rs.headers.get('location');
            assert.ok(next, `${url} answered ${rs.status}: ${await rs.text()}`);
            this.say(`GET provider${mask(url.pathname + url.search).slice(0, 100)} -> ${rs.status}`);
            url = new URL(next, url);
        }
        this.say(`back at ${mask(url.pathname + url.search)}`);
        return Object.fromEntries(url.searchParams);
    }

    async begin() {
        const query = new URLSearchParams({
            thirdPartyId: 'acme',
            redirectURIOnProviderDashboard: this.callback,
        });
        const { body } = await this.json('GET', `/auth/authorisationurl?${query}`);
        assert.equal(body.status, 'OK', JSON.stringify(body));
        return body;
    }

    finish(redirectURIQueryParams, pkceCodeVerifier) {
        return this.json('POST', '/auth/signinup', {
            thirdPartyId: 'acme',
            redirectURIInfo: {
                redirectURIOnProviderDashboard: this.callback,
                redirectURIQueryParams,
                pkceCodeVerifier,
            },
        });
    }

    async login() {
        const { urlWithQueryParams, pkceCodeVerifier } = await this.begin();
        return this.finish(await this.follow(urlWithQueryParams), pkceCodeVerifier);
    }
}

/* ---- the tests ---- */

test('a third-party log-in from redirect to session', { skip }, async (t) => {
    const app = 'oidc-flow';
    const core = await startCore(t, {
        project: { name: 'api.json', text: guardedApi(app, '/orders'), stage: 'dev' },
    });
    await core.ok('PUT', '/recipe/multitenancy/app/v2', { appId: app });
    const idp = new Idp();
    const site = await application(t, core, app, idp);
    const say = (line) => t.diagnostic(line);
    const throughGateway = async (token) => {
        const { port, stagePath } = core.daemon;
        const rs = await request(port, 'GET', `${stagePath}/orders`, {
            headers: { Authorization: `Bearer ${token}` },
        });
        say(`GET gateway/orders -> ${rs.status}`);
        return rs.status;
    };
    let ana;

    await t.test('ana comes back with a session that the gateway takes', async () => {
        const { body, headers } = await new Browser(site, say).login();
        assert.equal(body.status, 'OK', JSON.stringify(body));
        assert.equal(body.createdNewRecipeUser, true);
        const [method] = body.user.loginMethods;
        assert.deepEqual(
            [method.thirdParty, method.email, method.verified],
            [{ id: 'acme', userId: 'ana' }, 'ana@example.com', true],
        );
        ana = body.user.id;
        assert.equal(await throughGateway(headers.get('st-access-token')), 200);
        const { user } = await core.ok('GET', '/user/id', { userId: ana }, { app });
        assert.deepEqual(user.thirdParty, [{ id: 'acme', userId: 'ana' }]);
    });

    await t.test('the second time it is the same user', async () => {
        const { body } = await new Browser(site, () => {}).login();
        assert.deepEqual([body.createdNewRecipeUser, body.user.id], [false, ana]);
    });

    await t.test('an address that the provider has not verified makes nobody ana', async () => {
        idp.user = 'eve';
        const { body } = await new Browser(site, () => {}).login();
        idp.user = 'ana';
        assert.equal(body.status, 'OK');
        assert.notEqual(body.user.id, ana);
        assert.equal(body.user.loginMethods[0].verified, false);
    });

    await t.test('a code counts once, and only with its verifier', async () => {
        const browser = new Browser(site, () => {});
        const first = await browser.begin();
        const params = await browser.follow(first.urlWithQueryParams);
        const stranger = await new Browser(site, () => {}).begin();
        const wrong = await browser.finish(params, stranger.pkceCodeVerifier);
        assert.notEqual(wrong.body?.status, 'OK', 'without the verifier');
        const again = await browser.begin();
        const fresh = await browser.follow(again.urlWithQueryParams);
        assert.equal((await browser.finish(fresh, again.pkceCodeVerifier)).body.status, 'OK');
        const replayed = await browser.finish(fresh, again.pkceCodeVerifier);
        assert.notEqual(replayed.body?.status, 'OK', 'a second time');
    });
});
