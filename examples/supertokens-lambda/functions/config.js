// SPDX-License-Identifier: Apache-2.0
// What all functions tell the SDK, as SuperTokens' guide for AWS Lambda has it.
const supertokens = require('supertokens-node');
const EmailPassword = require('supertokens-node/recipe/emailpassword');
const Session = require('supertokens-node/recipe/session');
const UserRoles = require('supertokens-node/recipe/userroles');

const { CORE_URL, API_DOMAIN, WEBSITE_DOMAIN, AUDIENCE } = process.env;

supertokens.init({
    framework: 'awsLambda',
    isInServerlessEnv: true,
    supertokens: { connectionURI: CORE_URL },
    appInfo: {
        appName: 'orders',
        apiDomain: API_DOMAIN,
        websiteDomain: WEBSITE_DOMAIN,
        apiGatewayPath: '/prod', // the stage
    },
    recipeList: [
        EmailPassword.init(),
        UserRoles.init(), // puts st-role and st-perm into each access token
        Session.init({
            exposeAccessTokenToFrontendInCookieBasedAuth: true,
            override: {
                functions: (original) => ({
                    ...original,
                    // for the JWT authorizer of the HTTP API, which wants an audience
                    createNewSession: (input) =>
                        original.createNewSession({
                            ...input,
                            accessTokenPayload: { ...input.accessTokenPayload, aud: AUDIENCE },
                        }),
                }),
            },
        }),
    ],
});

/** What an authorizer answers. */
exports.answer = (principalId, Effect, Resource, context) => ({
    principalId,
    policyDocument: {
        Version: '2012-10-17',
        Statement: [{ Action: 'execute-api:Invoke', Effect, Resource }],
    },
    context,
});

/** A refusal by claims: template.yaml makes `body` the 403's body, which the web SDK reads. */
exports.refusal = (event, errors) =>
    exports.answer('', 'Deny', event.methodArn, {
        body: JSON.stringify({ message: 'invalid claim', claimValidationErrors: errors }),
    });

/** "arn:...:API/STAGE/*": a result is kept for the caller's next requests, to other paths too. */
exports.everything = (event) => `${event.methodArn.split('/').slice(0, 2).join('/')}/*`;
