// node server.mjs [PORT]: orders, kept in memory. It trusts X-User and X-Role, because only the
// gateway can reach it and the gateway never lets a client write them. Its first line of output is
// its address; when PORT is taken it uses another one.
import { createServer } from 'node:http';

const BODY_MAX = 64 * 1024;
const orders = new Map([
  ['1', { id: '1', item: 'lamp', quantity: 2 }],
  ['2', { id: '2', item: 'chair', quantity: 4 }],
]);

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function find(id) {
  const order = orders.get(id);
  if (!order) {
    throw new Refusal(404, `there is no order ${id}`);
  }
  return order;
}

async function readOrder(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_MAX) {
      throw new Refusal(413, 'an order is smaller than that');
    }
    chunks.push(chunk);
  }
  let order;
  try {
    order = JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new Refusal(400, 'the body is no JSON');
  }
  if (typeof order?.item !== 'string' || !Number.isInteger(order?.quantity)) {
    throw new Refusal(400, 'an order is {"item": text, "quantity": whole number}');
  }
  return { item: order.item, quantity: order.quantity };
}

const routes = [
  ['GET', /^\/health$/, () => ({ status: 'ok' })],
  ['GET', /^\/orders$/, () => ({ orders: [...orders.values()] })],
  ['GET', /^\/orders\/([^/]+)$/, (id) => ({ order: find(id) })],
  ['PUT', /^\/orders\/([^/]+)$/, async (id, request) => {
    const order = { id, ...await readOrder(request) };
    orders.set(id, order);
    return { order };
  }],
  ['DELETE', /^\/orders\/([^/]+)$/, (id) => {
    find(id);
    orders.delete(id);
    return { deleted: id };
  }],
];

async function handle(request) {
  const { pathname } = new URL(request.url, 'http://backend');
  for (const [method, pattern, run] of routes) {
    const match = pattern.exec(pathname);
    if (match && method === request.method) {
      return run(match[1] && decodeURIComponent(match[1]), request);
    }
  }
  throw new Refusal(404, 'no such path');
}

const server = createServer(async (request, response) => {
  const caller = { user: request.headers['x-user'], role: request.headers['x-role'] };
  let status = 200;
  let body;
  try {
    body = { ...await handle(request), caller };
  } catch (error) {
    status = error.status ?? 500;
    body = { message: error.status ? error.message : 'the backend failed', caller };
  }
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
});

server.on('error', (error) => {
  if (error.code !== 'EADDRINUSE') {
    throw error;
  }
  server.listen(0, '127.0.0.1');
});
server.on('listening', () => console.log(`http://127.0.0.1:${server.address().port}`));
server.listen(Number(process.argv[2] ?? 8081), '127.0.0.1');
