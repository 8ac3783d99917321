/* SPDX-License-Identifier: Apache-2.0
 * Strangers for fetch_test.c: servers that answer well and badly. Writes DIR/ca.pem, then says
 * "NAME PORT" for each server, then "ready"; ends with its standard input.
 */
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { gzipSync } from 'node:zlib';
import { authority, certificate } from '../lib/certificates.mjs';

const [dir] = process.argv.slice(2);
const JSON_TYPE = { 'Content-Type': 'application/json' };

function drip(rs) {
    rs.writeHead(200, JSON_TYPE);
    const timer = setInterval(() => rs.write(' '), 50);
    rs.on('close', () => clearInterval(timer));
}

async function endless(rs, chunk) {
    rs.on('error', () => {});
    while (!rs.destroyed) {
        if (!rs.write(chunk)) {
            await new Promise((resolve) => rs.once('drain', resolve).once('close', resolve));
        }
    }
}

function echo(rq, rs) {
    const parts = [];
    rq.on('data', (part) => parts.push(part));
    rq.on('end', () => {
        const { method, url, headers } = rq;
        const body = Buffer.concat(parts).toString();
        rs.writeHead(200, JSON_TYPE).end(JSON.stringify({ method, url, headers, body }));
    });
}

const redirects = {
    '/to-file': 'file:///etc/passwd',
    '/to-10': 'http://10.0.0.1/keys',
    '/to-v6': 'http://[::1]/keys',
    '/to-ftp': 'ftp://example.com/keys',
};

function answer(rq, rs) {
    if (redirects[rq.url]) {
        rs.writeHead(302, { Location: redirects[rq.url] }).end('moved');
        return;
    }
    switch (rq.url) {
        case '/keys':
            rs.writeHead(200, JSON_TYPE).end('{"keys":[]}');
            return;
        case '/large':
            rs.writeHead(200, JSON_TYPE).end(Buffer.alloc(5 << 20, 32));
            return;
        case '/large-chunked':
            rs.writeHead(200, JSON_TYPE);
            endless(rs, Buffer.alloc(65536, 32));
            return;
        case '/just':
            rs.writeHead(200, JSON_TYPE).end(Buffer.alloc(1000, 32));
            return;
        case '/bomb':
            rs.writeHead(200, { ...JSON_TYPE, 'Content-Encoding': 'gzip' });
            rs.end(gzipSync(Buffer.alloc(32 << 20)));
            return;
        case '/drip':
            drip(rs);
            return;
        case '/never':
            return;
        case '/html':
            rs.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end('<html></html>');
            return;
        case '/empty':
            rs.writeHead(200).end();
            return;
        case '/gone':
            rs.writeHead(410, JSON_TYPE).end('{}');
            return;
        case '/cookie':
            rs.writeHead(200, { 'Set-Cookie': 'a=b' }).end();
            return;
        default:
            echo(rq, rs);
    }
}

function raw(text, then = (socket) => socket.end()) {
    return net.createServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => {
            socket.write(text);
            then(socket);
        });
    });
}

const root = authority();
writeFileSync(`${dir}/ca.pem`, root.cert);
const of = (given) => {
    const { key, chain } = certificate({ names: ['localhost', '127.0.0.1'], issuer: root, ...given });
    return { key, cert: chain };
};
const OLD = { from: new Date('2020-01-01'), until: new Date('2021-01-01') };
const servers = {
    http: http.createServer(answer),
    https: https.createServer(of(), answer),
    expired: https.createServer(of(OLD), answer),
    otherhost: https.createServer(of({ names: ['example.com'] }), answer),
    unknown: https.createServer(of({ issuer: authority('Nobody') }), answer),
    tls11: tls.createServer({ ...of(), minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    nonsense: raw('no HTTP at all\r\n\r\n'),
    half: raw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
    silent: raw(''),
    heads: raw('HTTP/1.1 200 OK\r\n', (socket) => endless(socket, `X: ${'y'.repeat(8000)}\r\n`)),
};
for (const [name, server] of Object.entries(servers)) {
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    console.log(`${name} ${server.address().port}`);
}
console.log('ready');
process.stdin.on('close', () => process.exit(0)).resume();
