/* SPDX-License-Identifier: Apache-2.0
 * The identity core of a real daemon: startCore(t) runs one, core.call speaks the core driver
 * interface to it as the SDK does. ROPELINE_TEST_STORE=postgres://... runs the same tests on
 * PostgreSQL; each app has a name of its own, so that tests may share a database.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { request, start } from './daemon.mjs';

/** An API without paths: the gateway has nothing to serve. */
export const NOTHING = `openapi: 3.0.1
info: {title: nothing, version: '1'}
paths: {}
`;

export class Core {
    constructor(daemon) {
        this.daemon = daemon;
        this.port = Number(daemon.listening.core.split(':').at(-1));
        this.url = `http://127.0.0.1:${this.port}`;
    }

    /** `in`: the JSON body, or the query of a GET; rid as the SDK sends it for that path. */
    call(method, path, input, { app, tenant, version = '5.4', rid, key, headers = {} } = {}) {
        const where = `${app ? `/appid-${app}` : ''}${tenant ? `/${tenant}` : ''}${path}`;
        const byQuery = method === 'GET' || input === undefined;
        const query = input && byQuery ? `?${new URLSearchParams(input)}` : '';
        return request(this.port, method, where + query, {
            headers: {
                'cdi-version': version,
                ...(rid && { rid }),
                ...(key && { 'api-key': key }),
                ...(byQuery ? {} : { 'Content-Type': 'application/json; charset=utf-8' }),
                ...headers,
            },
            body: byQuery ? undefined : typeof input === 'string' ? input : JSON.stringify(input),
        });
    }

    /** The JSON of an answer that must be 200. */
    async ok(method, path, input, options) {
        const rs = await this.call(method, path, input, options);
        if (rs.status !== 200) {
            throw new Error(`${method} ${path}: ${rs.status} ${rs.body}`);
        }
        return rs.json;
    }

    /** A new app of the test's own. */
    async app(coreConfig = {}) {
        const appId = `t-${randomUUID()}`;
        await this.ok('PUT', '/recipe/multitenancy/app/v2', { appId, coreConfig });
        return appId;
    }
}

/** Whether the tests run on a PostgreSQL that all daemons share. */
export const POSTGRES = process.env.ROPELINE_TEST_STORE;

/** `sqlite`: on a file, whatever the others run on. */
export async function startCore(t, { project = {}, args = [], sqlite, ...options } = {}) {
    const chosen = sqlite || options.env?.ROPELINE_STORE;
    const store = POSTGRES && !chosen && {
        env: { ...options.env, ROPELINE_STORE: POSTGRES },
        // daemons that share a store share what seals it
        args: [...args, '--keys', path.join(path.dirname(/[?&]host=([^&]+)/.exec(POSTGRES)[1]), 'keys')],
    };
    const daemon = await start(
        t,
        { name: 'api.yaml', text: NOTHING, ...project },
        { ...options, args, ...store },
    );
    return new Core(daemon);
}
