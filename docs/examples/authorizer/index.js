// A TOKEN authorizer without dependencies: an HS256 JWT in `Authorization: Bearer ...`.
const { createHmac, timingSafeEqual } = require('node:crypto');

const secret = process.env.SECRET;

function verify(token) {
    const [head, body, signature, rest] = token.split('.');
    if (!secret || !signature || rest !== undefined) {
        throw new Error('not a signed token');
    }
    const wanted = createHmac('sha256', secret).update(`${head}.${body}`).digest();
    const given = Buffer.from(signature, 'base64url');
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
        throw new Error('wrong signature');
    }
    const read = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());
    const claims = read(body);
    if (read(head).alg !== 'HS256' || typeof claims.sub !== 'string' ||
        !(claims.exp > Date.now() / 1000)) {
        throw new Error('another algorithm, no subject, or expired');
    }
    return claims;
}

exports.handler = async (event) => {
    let claims;
    try {
        claims = verify(event.authorizationToken.replace(/^Bearer /, ''));
    } catch (error) {
        console.log('refused:', error.message);
        throw new Error('Unauthorized'); // exactly this text is a 401
    }
    // The whole stage, not event.methodArn: the answer is cached and judges every route.
    const stage = event.methodArn.split('/').slice(0, 2).join('/');
    return {
        principalId: claims.sub,
        policyDocument: {
            Version: '2012-10-17',
            Statement: [{ Effect: 'Allow', Action: 'execute-api:Invoke', Resource: `${stage}/*` }],
        },
    };
};
