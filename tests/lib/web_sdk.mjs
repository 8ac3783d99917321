/* SPDX-License-Identifier: Apache-2.0
 * As much of a browser as the unmodified supertokens-website needs: window, document.cookie,
 * localStorage. The SDK puts itself before fetch. One for a process, which is the page.
 */

class Cookies {
    #all = new Map();

    get cookie() {
        return [...this.#all].map(([name, value]) => `${name}=${value}`).join('; ');
    }

    set cookie(line) {
        const [, name, value] = /^\s*([^=;]+)=([^;]*)/.exec(line);
        const ends = /expires=([^;]+)/i.exec(line)?.[1];
        if (ends && new Date(ends) <= new Date()) {
            this.#all.delete(name);
        } else {
            this.#all.set(name, value);
        }
    }
}

class Storage {
    #all = new Map();
    getItem = (name) => this.#all.get(name) ?? null;
    setItem = (name, value) => this.#all.set(name, String(value));
    removeItem = (name) => this.#all.delete(name);
}

/** supertokens-website as a page of `websiteDomain` has it: {fetch, events, asked, sdk}. */
export function webSdk(library, { apiDomain, apiBasePath, websiteDomain, tokenTransferMethod }) {
    const asked = []; // what really goes out, and its answer
    const events = [];
    const send = globalThis.fetch;
    Object.assign(globalThis, {
        window: globalThis,
        location: new URL(websiteDomain),
        document: new Cookies(),
        localStorage: new Storage(),
        sessionStorage: new Storage(),
        XMLHttpRequest: class {}, // which it wraps too
        fetch: async (input, init) => {
            const rs = await send(input, init);
            const method = (init?.method ?? 'GET').toUpperCase();
            asked.push(`${method} ${new URL(input.url ?? input).pathname} ${rs.status}`);
            return rs;
        },
    });
    const sdk = library.default ?? library;
    sdk.init({
        apiDomain,
        apiBasePath,
        tokenTransferMethod,
        sessionTokenFrontendDomain: new URL(websiteDomain).hostname,
        lockFactory: async () => ({ acquireLock: async () => true, releaseLock: async () => {} }),
        onHandleEvent: (event) => events.push(event),
    });
    return { sdk, asked, events, fetch: (...args) => globalThis.fetch(...args) };
}
