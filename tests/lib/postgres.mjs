/* SPDX-License-Identifier: Apache-2.0
 * A private PostgreSQL for a test file, by postgres.sh: it ends with the process that asked for it.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('postgres.sh', import.meta.url));

export class Postgres {
    dir = mkdtempSync(path.join(tmpdir(), 'ropeline-pg-'));

    #run(...args) {
        return execFileSync(SCRIPT, args, { encoding: 'utf8' }).trim();
    }

    start() {
        this.url = this.#run('start', this.dir);
        return this;
    }

    stop(mode = 'immediate') {
        this.#run('stop', this.dir, mode);
    }

    /** What psql prints. */
    sql(text) {
        return execFileSync('psql', ['-qtAX', '-v', 'ON_ERROR_STOP=1', '-c', text, this.url], {
            encoding: 'utf8',
        }).trim();
    }

    /** For startCore: a daemon whose store this is. Daemons that share it share what seals it. */
    get options() {
        return {
            env: { ROPELINE_STORE: this.url },
            args: ['--keys', path.join(this.dir, 'keys')],
        };
    }

    end() {
        this.stop();
        rmSync(this.dir, { recursive: true, force: true });
    }
}
