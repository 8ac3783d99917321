/* SPDX-License-Identifier: Apache-2.0
 * One backend of an application, as a process: supertokens-node with its own copy of the JWKS. It is
 * told over IPC what to do: {id, op: create | verify | refresh, token?, antiCsrf?}, and answers {id,
 * ...what came of it}. SDK and core are named by the arguments.
 */
import { createRequire } from 'node:module';

const [sdk, connectionURI] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const supertokens = require(sdk);
const Session = require(`${sdk}/recipe/session`);

supertokens.init({
    framework: 'custom',
    supertokens: { connectionURI },
    appInfo: { appName: 'soak', apiDomain: 'http://localhost:3001', websiteDomain: 'http://localhost:3000' },
    recipeList: [Session.init({ getTokenTransferMethod: () => 'header' })],
});

function tokensOf(session) {
    const { accessToken, refreshToken, accessAndFrontTokenUpdated } =
        session.getAllSessionTokensDangerously();
    return { accessToken, refreshToken, replaced: accessAndFrontTokenUpdated };
}

let users = 0;
const ops = {
    create: async () =>
        tokensOf(
            await Session.createNewSessionWithoutRequestResponse(
                'public',
                supertokens.convertToRecipeUserId(`user-${process.pid}-${users++}`),
                { 'st-role': { v: ['viewer'], t: Date.now() } },
            ),
        ),
    verify: async ({ token }) =>
        tokensOf(await Session.getSessionWithoutRequestResponse(token, undefined, { antiCsrfCheck: false })),
    refresh: async ({ token }) => tokensOf(await Session.refreshSessionWithoutRequestResponse(token, true)),
};

process.on('message', async (message) => {
    let answer;
    try {
        answer = await ops[message.op](message);
    } catch (e) {
        answer = { error: `${e.type ?? e.name}: ${e.message}` };
    }
    process.send({ id: message.id, ...answer });
});
process.on('disconnect', () => process.exit(0));
process.send({ ready: true });
