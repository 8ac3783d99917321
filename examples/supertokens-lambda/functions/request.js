// SPDX-License-Identifier: Apache-2.0
// The REQUEST authorizer of SuperTokens' guide for AWS Lambda. It has no identity source, so it is
// asked at every request, and takes a session by header and by cookie. Who only reads needs none.
const { answer, refusal } = require('./config.js');
const Session = require('supertokens-node/recipe/session');
const UserRoles = require('supertokens-node/recipe/userroles');

exports.handler = async (event) => {
    const reads = event.httpMethod === 'GET';
    try {
        const session = await Session.getSession(event, event, {
            sessionRequired: !reads,
            overrideGlobalClaimValidators: (global) =>
                reads ? global : [...global, UserRoles.UserRoleClaim.validators.includes('editor')],
        });
        return answer(session ? session.getUserId() : '', 'Allow', event.methodArn, {
            setCookie: event.supertokens.response.cookies.join(', '),
        });
    } catch (ex) {
        if (ex.type === 'TRY_REFRESH_TOKEN' || ex.type === 'UNAUTHORISED') {
            throw new Error('Unauthorized'); // exactly this text is a 401
        }
        if (ex.type === 'INVALID_CLAIMS') {
            return refusal(event, ex.payload);
        }
        throw ex;
    }
};
