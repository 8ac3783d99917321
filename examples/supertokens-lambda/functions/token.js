// SPDX-License-Identifier: Apache-2.0
// A TOKEN authorizer: it sees the Authorization header and nothing else, and admits admins. What it
// answers is kept (KeepSeconds in template.yaml); revoking the session or taking a role away ends that.
const { answer, everything, refusal } = require('./config.js');
const Session = require('supertokens-node/recipe/session');
const UserRoles = require('supertokens-node/recipe/userroles');

exports.handler = async (event) => {
    const token = event.authorizationToken.replace(/^Bearer /, '');
    try {
        const session = await Session.getSessionWithoutRequestResponse(token, undefined, {
            antiCsrfCheck: false, // no cookie is involved
            checkDatabase: true,
            overrideGlobalClaimValidators: (global) => [
                ...global,
                UserRoles.UserRoleClaim.validators.includes('admin'),
            ],
        });
        const claims = session.getAccessTokenPayload();
        return answer(session.getUserId(), 'Allow', everything(event), {
            role: claims['st-role'].v.join(','),
            tenant: claims.tId,
        });
    } catch (ex) {
        if (ex.type === 'INVALID_CLAIMS') {
            return refusal(event, ex.payload);
        }
        throw new Error('Unauthorized');
    }
};
