// SPDX-License-Identifier: Apache-2.0
// /prod/auth/...: sign up, sign in, refresh, sign out and OpenID discovery, all by the SDK.
require('./config.js');
const { middleware } = require('supertokens-node/framework/awsLambda');

exports.handler = middleware();
