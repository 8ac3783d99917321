// A TOKEN authorizer for "Authorization: Bearer <JWT>": is the token ours and still good, and what
// may the role in it do? Throwing exactly "Unauthorized" is a 401; a policy that does not allow the
// request is a 403; any other failure is a 500.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const jwt = require('jsonwebtoken');

// keys/NAME.pub.pem is an active key and NAME its key id. A key in keys/retired/ is not read: what
// it signed is refused.
const KEYS = path.join(__dirname, 'keys');
const SUFFIX = '.pub.pem';
const keys = new Map(fs.readdirSync(KEYS)
  .filter((file) => file.endsWith(SUFFIX))
  .map((file) => [file.slice(0, -SUFFIX.length), fs.readFileSync(path.join(KEYS, file))]));

const METHODS = new Map([
  ['viewer', ['GET']],
  ['editor', ['GET', 'PUT']],
  ['admin', ['*']],
]);

function verify(header) {
  const bearer = /^Bearer ([^ ]+)$/.exec(header);
  if (!bearer) {
    throw new Error('the header is not "Bearer TOKEN"');
  }
  const kid = jwt.decode(bearer[1], { complete: true })?.header.kid;
  if (!keys.has(kid)) {
    throw new Error('no active key has that kid');
  }
  const claims = jwt.verify(bearer[1], keys.get(kid), {
    algorithms: ['RS256'], // never what the token says of itself
    issuer: process.env.ISSUER,
    audience: process.env.AUDIENCE,
  });
  if (!claims.exp || !claims.sub || !METHODS.has(claims.role)) {
    throw new Error('exp, sub and a known role are needed');
  }
  return claims;
}

exports.handler = async (event) => {
  let claims;
  try {
    claims = verify(event.authorizationToken);
  } catch (error) {
    console.log('refused:', error.message);
    throw new Error('Unauthorized');
  }
  // arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH. The policy speaks of the whole stage
  // and not of event.methodArn, because it is cached and judges the caller's next requests too.
  const stage = event.methodArn.split('/').slice(0, 2).join('/');
  return {
    principalId: claims.sub,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{
        Effect: 'Allow',
        Action: 'execute-api:Invoke',
        Resource: METHODS.get(claims.role).map((method) => `${stage}/${method}/*`),
      }],
    },
    context: { role: claims.role },
  };
};
