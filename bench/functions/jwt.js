// SPDX-License-Identifier: Apache-2.0
// An authorizer of the usual kind, as far as starting it goes: it loads jsonwebtoken and verifies.
const { sign, verify } = require('jsonwebtoken');
const { entered } = require('./entered.js');

exports.handler = entered(() => verify(sign({ sub: 'ana' }, 'secret'), 'secret').sub);
