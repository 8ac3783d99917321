/* SPDX-License-Identifier: Apache-2.0
 * Published authorizers run unmodified: the TOKEN functions for Node of the catalogue
 * ../shared/handlers/catalogue.json,
 * each behind a gateway of its own, must get the statuses that the catalogue says.
 *
 * Their sources are other people's and never in this repository. Whoever runs this fetches them from
 * the repositories that the catalogue names into DIR/<name>/<file>, applies its `edits`, and says
 *     node tests/clients/catalogue.test.mjs --sources DIR      (or ROPELINE_HANDLER_SOURCES=DIR)
 * Without that DIR is ../handler-sources; an entry that is not there is skipped. Its npm
 * dependencies are installed into a temporary folder.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { start, test } from '../lib/daemon.mjs';
import { api, mock } from '../lib/template.mjs';
import { jwt } from '../lib/tokens.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CATALOGUE = path.join(ROOT, '../shared/handlers/catalogue.json');
const flag = process.argv.indexOf('--sources');
const SOURCES = path.resolve(
    flag > 0
        ? process.argv[flag + 1]
        : (process.env.ROPELINE_HANDLER_SOURCES ?? path.join(ROOT, '../handler-sources')),
);

/** The folder of a function: its files and what npm gives it. */
async function codeOf(t, entry) {
    const dir = mkdtempSync(path.join(tmpdir(), 'catalogue-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    for (const file of entry.files) {
        mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
        cpSync(path.join(SOURCES, entry.name, file), path.join(dir, file));
    }
    const packages = Object.entries(entry.deps).filter(
        ([name]) => name !== 'apt' && name !== 'pip',
    );
    if (packages.length > 0) {
        writeFileSync(path.join(dir, 'package.json'), '{"private":true}');
        await promisify(execFile)(
            'npm',
            [
                'install',
                '--no-package-lock',
                '--no-fund',
                '--no-audit',
                ...packages.map(([name, version]) => `${name}@${version}`),
            ],
            { cwd: dir },
        );
    }
    return dir;
}

/** Secrets are made on the spot: "hs" is what the function knows, any other name is not. */
function secrets() {
    const made = new Map();
    return (name) => {
        if (name.startsWith('$lit:')) {
            return name.slice(5);
        }
        if (!made.has(name)) {
            made.set(name, randomBytes(48).toString('base64url'));
        }
        return made.get(name);
    };
}

function tokenOf(value, secret) {
    if (typeof value === 'string') {
        return value;
    }
    const { alg, key, kid, expIn, claims } = value.$jwt;
    const now = Math.floor(Date.now() / 1000);
    return (
        value.prefix +
        jwt({ iat: now, exp: now + expIn, ...claims }, { alg, kid, secret: secret(key) })
    );
}

function templateOf(entry, dir, secret) {
    const header = entry.authorizer.identitySource.replace('method.request.header.', '');
    const project = api({
        authorizer: {
            fn: { files: {}, handler: entry.handler, timeout: 10, env: {} },
            ttl: 0,
            header,
        },
        routes: { 'GET /resource': mock(200, 'in') },
    });
    const template = JSON.parse(project.text);
    const properties = template.Resources.Guard.Properties;
    properties.CodeUri = dir;
    properties.Environment.Variables = Object.fromEntries(
        Object.entries(entry.env).map(([name, value]) => [
            name,
            value.replaceAll('${HS}', secret('hs')),
        ]),
    );
    return { ...project, text: JSON.stringify(template) };
}

async function judge(t, entry) {
    const absent = entry.files.filter((file) => !existsSync(path.join(SOURCES, entry.name, file)));
    if (absent.length > 0) {
        t.skip(`not fetched: ${path.join(SOURCES, entry.name, absent[0])}`);
        return;
    }
    const secret = secrets();
    const gw = await start(t, templateOf(entry, await codeOf(t, entry), secret));
    const header = entry.authorizer.identitySource.replace('method.request.header.', '');
    for (const one of entry.cases) {
        await t.test(one.name, async () => {
            const given = tokenOf(one.event.authorizationToken, secret);
            const { status, body } = await gw.get('/resource', { headers: { [header]: given } });
            assert.equal(status, one.gateway, body);
        });
    }
}

if (existsSync(CATALOGUE)) {
    const isOurs = ({ type, runtime }) => type === 'TOKEN' && runtime.startsWith('nodejs');
    for (const entry of JSON.parse(readFileSync(CATALOGUE)).filter(isOurs)) {
        test(`catalogue: ${entry.name}`, (t) => judge(t, entry));
    }
} else {
    test('catalogue', { skip: 'skipped: ../shared not found' }, () => {});
}
