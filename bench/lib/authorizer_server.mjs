// SPDX-License-Identifier: Apache-2.0
// node authorizer_server.mjs PORT CODE: the same authorizer function behind HTTP, for nginx's
// auth_request. 200 with X-User and X-Role, or 401.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';

const [, , port, code] = process.argv;
const { handler } = createRequire(import.meta.url)(code);
const methodArn = 'arn:aws:execute-api:us-east-1:123456789012:bench/dev/GET/guarded';

const server = createServer(async (request, response) => {
  try {
    const answer = await handler({
      type: 'TOKEN', authorizationToken: request.headers.authorization ?? '', methodArn,
    });
    response.writeHead(200, {
      'X-User': answer.principalId, 'X-Role': answer.context.role, 'Content-Length': 0,
    });
  } catch {
    response.writeHead(401, { 'Content-Length': 0 });
  }
  response.end();
});
server.keepAliveTimeout = 3_600_000; // nginx keeps its connections between rounds
server.listen(Number(port), '127.0.0.1');
