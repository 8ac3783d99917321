// The shape that most guides print: the bare token in the header, one key, and a policy for exactly
// the method that was asked for. It works until the same caller asks for a second path while the
// answer is cached; README.md says why.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const jwt = require('jsonwebtoken');

const key = fs.readFileSync(path.join(__dirname, 'keys', 'dev.pub.pem'));

exports.handler = (event, context, callback) => {
  jwt.verify(event.authorizationToken, key, { algorithms: ['RS256'] }, (error, claims) => {
    if (error) {
      callback('Unauthorized');
      return;
    }
    callback(null, {
      principalId: claims.sub,
      policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 'execute-api:Invoke', Resource: event.methodArn }],
      },
      context: { role: claims.role },
    });
  });
};
