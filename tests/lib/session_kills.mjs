/* SPDX-License-Identifier: Apache-2.0
 * kill -9 while clients create, refresh and revoke sessions: what was acknowledged is there after
 * each death, and a refresh token that was passed on is never good again. The keeper dies too: it
 * would slow down whoever dies ten times a minute.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { PATIENCE, sleep } from './daemon.mjs';
import { Client } from './session_history.mjs';

/** A port of our own choice, so that the daemon comes back where it was. */
export function freePort() {
    return new Promise((resolve, reject) => {
        const server = createServer();
        server.on('error', reject);
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

/** One session of one client, and what is known of it for sure. */
class Owner {
    constructor(name) {
        this.name = name;
        this.token = null; // the latest that was acknowledged
        this.parent = null; // of the latest
        this.former = null; // its parent: once the parent was used, it is nobody's
        this.revoked = false; // acknowledged
        this.leaving = false; // asked for, perhaps in vain
        this.acknowledged = 0;
    }

    /** One call; throws what the connection throws, and asserts on every answer. */
    async act(client) {
        if (this.token === null || (this.revoked && Math.random() < 0.5)) {
            const made = await client.create(this.name);
            Object.assign(this, {
                token: made.refreshToken.token,
                handle: made.session.handle,
                former: null,
                parent: null,
                revoked: false,
                leaving: false,
            });
        } else if (this.leaving) {
            await this.leave(client);
        } else if (this.former && Math.random() < 0.2) {
            const { status } = await client.refresh(this.former);
            assert.equal(status, 'TOKEN_THEFT_DETECTED', 'a refresh token was good twice');
        } else if (Math.random() < 0.05) {
            this.leaving = true;
            await this.leave(client);
        } else {
            await this.goOn(client);
        }
        this.acknowledged++;
    }

    /** The answer may have been lost before: then the session is gone already. */
    async leave(client) {
        if (this.revoked) {
            const { status } = await client.refresh(this.token);
            assert.equal(status, 'UNAUTHORISED', 'a revoked session came back');
            return;
        }
        await client.revoke(this.handle);
        this.revoked = true;
    }

    async goOn(client) {
        const answer = await client.refresh(this.token);
        assert.equal(answer.status, 'OK', 'an acknowledged session or refresh is lost');
        this.former = this.parent;
        this.parent = this.token;
        this.token = answer.refreshToken.token;
    }
}

/** What a connection says of a daemon that was killed; an answer that is none is a failure. */
const DYING = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

/** True: an answer; false: the daemon was dying. */
async function attempt(owner, client) {
    try {
        await owner.act(client);
        return true;
    } catch (e) {
        if (!DYING.has(e.code)) {
            throw e;
        }
        return false;
    }
}

/**
 * `core` was started with a state directory and a core listener that stay. Returns for each start
 * how many milliseconds it took until it listened (`restarts`) and until it had answered somebody
 * (`firsts`: of the lives that were long enough), and how many answers there were.
 */
export async function checkKills(core, { kills, owners = 16 }) {
    const all = Array.from({ length: owners }, (_, i) => new Owner(`owner-${i}`));
    const restarts = [];
    const firsts = [];
    let began = null; // of the start whose first answer is still to come
    let going = true;
    let failure = null;
    let client = new Client(core.port, owners);
    await client.create('first'); // makes the keys
    const run = async (owner) => {
        while (going && !failure) {
            if (!(await attempt(owner, client))) {
                await sleep(5);
            } else if (began !== null) {
                firsts.push(performance.now() - began);
                began = null;
            }
        }
    };
    const lives = all.map((owner) =>
        run(owner).catch((e) => {
            failure = e;
        }),
    );
    try {
        for (let i = 0; i < kills && !failure; i++) {
            await sleep((20 + Math.random() * 400) * PATIENCE);
            const { daemon } = core;
            began = null;
            for (const { pid } of daemon.family()) {
                process.kill(pid, 'SIGKILL');
            }
            await daemon.exited;
            const start = performance.now();
            await daemon.launch();
            await daemon.ready();
            restarts.push(performance.now() - start);
            client.close();
            client = new Client(core.port, owners);
            began = start;
        }
    } finally {
        going = false;
    }
    await Promise.all(lives);
    client.close();
    if (failure) {
        throw failure;
    }
    return { restarts, firsts, answers: all.reduce((sum, { acknowledged }) => sum + acknowledged, 0) };
}

/** The value below which `part` of all are, in whole milliseconds. */
export const quantile = (values, part) =>
    Math.round([...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))]);
