// SPDX-License-Identifier: Apache-2.0
// A backend that knows nothing of sessions: it says who the gateway says is calling.
// node server.mjs [PORT]
import http from 'node:http';

const server = http.createServer((request, response) => {
    const { 'x-user-id': user, 'x-role': role } = request.headers;
    response.setHeader('Content-Type', 'application/json');
    response.end(`${JSON.stringify({ method: request.method, path: request.url, user, role })}\n`);
});
server.listen(Number(process.argv[2] ?? 8081), '127.0.0.1', () =>
    console.log(`http://127.0.0.1:${server.address().port}`),
);
