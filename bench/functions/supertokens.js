// SPDX-License-Identifier: Apache-2.0
// An authorizer that loads supertokens-node and its session recipe, as its guide for Lambda says.
const supertokens = require('supertokens-node');
const Session = require('supertokens-node/recipe/session');
const { entered } = require('./entered.js');

supertokens.init({
  framework: 'awsLambda',
  supertokens: { connectionURI: 'http://127.0.0.1:3567' },
  appInfo: {
    appName: 'bench', apiDomain: 'http://127.0.0.1:3000', websiteDomain: 'http://127.0.0.1:3000',
  },
  recipeList: [Session.init()],
});

exports.handler = entered(() => typeof Session.getSession);
