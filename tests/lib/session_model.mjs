/* SPDX-License-Identifier: Apache-2.0
 * The state machine of a session (specs/identity-core.md 3.5) once more, as a test has it: what the
 * core must answer to a client that asks one thing at a time. Written from the specification, not
 * from src/identity/session.c, so that one of them finds the other's mistakes.
 */
import { createHash } from 'node:crypto';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');

export class SessionModel {
    constructor(answer) {
        this.handle = answer.session.handle;
        this.confirmed = answer.refreshToken.token;
        this.parents = new Map([[this.confirmed, null]]); // refresh token -> the one it came from
        this.access = []; // {token, own, parent}: by which refresh tokens they belong
        this.revoked = false;
        this.note(answer, this.confirmed, null);
    }

    note(answer, own, parent) {
        this.access.push({ token: answer.accessToken.token, own, parent });
        if (this.access.length > 6) {
            this.access.shift();
        }
    }

    /** What a refresh with this token must answer. */
    refresh(token) {
        if (this.revoked) {
            return 'UNAUTHORISED';
        }
        const known = token === this.confirmed || this.parents.get(token) === this.confirmed;
        return known ? 'OK' : 'TOKEN_THEFT_DETECTED';
    }

    refreshed(token, answer) {
        this.confirmed = token; // it was, or it is from now on
        const child = answer.refreshToken.token;
        this.parents.set(child, token);
        this.note(answer, child, token);
    }

    /** {status, renewed}: what a verification of this access token must answer. */
    verify({ own, parent }, checkDatabase) {
        if (parent === null && !checkDatabase) {
            return { status: 'OK', renewed: false };
        }
        if (this.revoked) {
            return { status: 'UNAUTHORISED', renewed: false };
        }
        if (parent === null) {
            return { status: 'OK', renewed: false };
        }
        return { status: 'OK', renewed: parent === this.confirmed || own === this.confirmed };
    }

    verified(access, answer) {
        if (access.parent !== null && access.parent === this.confirmed) {
            this.confirmed = access.own;
        }
        if (answer.accessToken) {
            this.note(answer, access.own, null);
        }
    }

    /** Tokens that a client may have kept: the confirmed one, its children, what came before. */
    get tokens() {
        return [...this.parents.keys()];
    }

    forgetOld() {
        while (this.parents.size > 12) {
            const oldest = this.tokens.find((token) => token !== this.confirmed);
            this.parents.delete(oldest);
        }
    }
}

/** The claim that ties an access token to its refresh token. */
export const hash1 = (token) => sha256(token);
