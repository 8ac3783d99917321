/* SPDX-License-Identifier: Apache-2.0
 * node tests/clients/suite/run.mjs CHECKOUT [FILE...]: the suite of supertokens-node itself, from a
 * checkout of it (tag v24.0, `npm install` done) outside of this repository, against a fresh daemon.
 * ROPELINE_STORE puts its core on PostgreSQL. Fails on every test that fails and is not in
 * expected.txt, and names those of expected.txt that have come to pass.
 * A whole run is about ten minutes.
 */
import { spawn } from 'node:child_process';
import {
    existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const BINARY = path.resolve(process.env.ROPELINE_BIN ?? path.join(HERE, '../../../build/ropeline'));
const [checkout, ...wanted] = process.argv.slice(2);
if (!checkout || !existsSync(path.join(checkout, 'test/hooks.js'))) {
    console.error('usage: node run.mjs CHECKOUT [FILE...]: CHECKOUT is a supertokens-node with node_modules');
    process.exit(2);
}

/* ---- the daemon ---- */

const NOTHING = 'openapi: 3.0.1\ninfo: {title: nothing, version: "1"}\npaths: {}\n';

async function daemon(dir) {
    const ready = path.join(dir, 'ready');
    writeFileSync(path.join(dir, 'api.yaml'), NOTHING);
    const child = spawn(
        BINARY,
        ['dev', 'api.yaml', '--quiet', '--gateway', '127.0.0.1:0', '--metrics', '127.0.0.1:0',
            '--core', '127.0.0.1:0', '--ready-file', ready],
        { cwd: dir, stdio: ['ignore', 'inherit', 'inherit'] },
    );
    const ended = new Promise((resolve) => child.on('exit', resolve));
    while (!existsSync(ready)) {
        const code = await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]);
        if (code !== undefined) {
            throw new Error(`${BINARY} ended with ${code}`);
        }
    }
    const { core } = JSON.parse(readFileSync(ready, 'utf8'));
    return { port: core.split(':').at(-1), stop: () => child.kill() && ended };
}

/* ---- the suite ---- */

function testsBelow(dir) {
    return readdirSync(dir).flatMap((name) => {
        const file = path.join(dir, name);
        if (statSync(file).isDirectory()) {
            return name === 'node_modules' ? [] : testsBelow(file);
        }
        return /\.test\.(js|ts)$/.test(name) ? [file] : [];
    });
}

function mocha(files, port, report) {
    const args = [
        '--no-config', '-p', 'lib/tsconfig.json', '-n', 'loader=ts-node/esm',
        '--node-option', 'no-experimental-fetch', '-r', 'test/fetch-polyfill.mjs',
        '--require', 'test/hooks.js', '--exit', '--timeout', '40000',
        '--reporter', 'json', '--reporter-option', `output=${report}`, ...files,
    ];
    const child = spawn(path.join(checkout, 'node_modules/.bin/ts-mocha'), args, {
        cwd: checkout,
        env: {
            ...process.env,
            SUPERTOKENS_CORE_HOST: '127.0.0.1',
            SUPERTOKENS_CORE_PORT: port,
            TEST_MODE: 'testing',
        },
        stdio: ['ignore', 'ignore', 'ignore'],
    });
    return new Promise((resolve, reject) => child.on('exit', resolve).on('error', reject));
}

/* ---- what came of it ---- */

const plain = (text) => text.replace(/\x1b\[[0-9;]*m/g, ''); // eslint-disable-line no-control-regex
const nameOf = ({ file, title }) => `${file.split('/test/').at(-1)}\t${plain(title)}`;

const expected = new Map(
    readFileSync(path.join(HERE, 'expected.txt'), 'utf8')
        .split('\n')
        .filter((line) => line && !line.startsWith('#'))
        .map((line) => {
            const [file, reason, title] = line.split('\t');
            return [`${file}\t${title}`, reason];
        }),
);

const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-suite-'));
const core = await daemon(dir);
try {
    const files = wanted.length > 0
        ? wanted.map((name) => path.join('test', name))
        : testsBelow(path.join(checkout, 'test')).map((file) => path.relative(checkout, file));
    console.log(`${files.length} files against 127.0.0.1:${core.port}; this takes about ten minutes`);
    const report = path.join(dir, 'report.json');
    await mocha(files, core.port, report);
    const { stats, failures, pending, passes } = JSON.parse(readFileSync(report, 'utf8'));
    const news = failures.filter((test) => !expected.has(nameOf(test)));
    const better = passes.filter((test) => expected.has(nameOf(test)));
    const reasons = {};
    for (const test of [...failures, ...pending]) {
        const reason = expected.get(nameOf(test)) ?? 'NEW';
        reasons[reason] = (reasons[reason] ?? 0) + 1;
    }
    console.log(`${stats.tests} tests: ${stats.passes} pass; not: ${JSON.stringify(reasons)}`);
    for (const test of news) {
        console.log(`NEW FAILURE ${nameOf(test).replace('\t', ': ')}\n    ${test.err.message?.split('\n')[0]}`);
    }
    for (const test of better) {
        console.log(`passes now: ${nameOf(test).replace('\t', ': ')}`);
    }
    process.exitCode = news.length > 0 ? 1 : 0;
} finally {
    await core.stop();
    rmSync(dir, { recursive: true, force: true });
}
