// SPDX-License-Identifier: Apache-2.0
// An application with log-ins by unmodified supertokens-node, and articles. Only /auth/* is the SDK's:
// the gateway before this application checks sessions and roles, so the articles' routes know
// nothing of either; they believe the header x-user-id, which only the gateway can set.
// PORT, CORE_URL and API_DOMAIN (where the gateway is) come from the environment.
import express from 'express';
import supertokens from 'supertokens-node';
import { errorHandler, middleware } from 'supertokens-node/framework/express/index.js';
import EmailPassword from 'supertokens-node/recipe/emailpassword/index.js';
import Session from 'supertokens-node/recipe/session/index.js';
import UserRoles from 'supertokens-node/recipe/userroles/index.js';

const {
    PORT = '8081',
    CORE_URL = 'http://127.0.0.1:3567',
    API_DOMAIN = 'http://127.0.0.1:8080',
    WEBSITE_DOMAIN = 'http://127.0.0.1:3000',
} = process.env;

// Who signs up may read. The role is there before the session is made, so it is in its token.
const everybodyIsViewer = {
    functions: (original) => ({
        ...original,
        signUp: async (input) => {
            const answer = await original.signUp(input);
            if (answer.status === 'OK') {
                await UserRoles.addRoleToUser(input.tenantId, answer.user.id, 'viewer');
            }
            return answer;
        },
    }),
};

// A session keeps the roles that it began with; here they are looked up again at each refresh.
const rolesAtRefresh = {
    functions: (original) => ({
        ...original,
        refreshSession: async (input) => {
            const session = await original.refreshSession(input);
            await session.fetchAndSetClaim(UserRoles.UserRoleClaim, input.userContext);
            await session.fetchAndSetClaim(UserRoles.PermissionClaim, input.userContext);
            return session;
        },
    }),
};

supertokens.init({
    framework: 'express',
    supertokens: { connectionURI: CORE_URL },
    appInfo: { appName: 'articles', apiDomain: API_DOMAIN, websiteDomain: WEBSITE_DOMAIN },
    recipeList: [
        EmailPassword.init({ override: everybodyIsViewer }),
        Session.init({ cookieSameSite: 'lax', override: rolesAtRefresh }),
        UserRoles.init(),
    ],
});

const articles = new Map([['1', 'The first'], ['2', 'The second']]);
const app = express();
app.use(middleware());
app.use(express.text());

app.get('/articles', (rq, rs) => rs.json([...articles.keys()]));
app.get('/articles/:id', (rq, rs) => {
    const text = articles.get(rq.params.id);
    rs.status(text ? 200 : 404).json({ text, reader: rq.get('x-user-id') });
});
app.put('/articles/:id', (rq, rs) => {
    articles.set(rq.params.id, String(rq.body ?? ''));
    rs.json({ id: rq.params.id, editor: rq.get('x-user-id') });
});
app.delete('/articles/:id', (rq, rs) => {
    rs.json({ deleted: articles.delete(rq.params.id), admin: rq.get('x-user-id') });
});
app.use(errorHandler());

// The roles of the guide: viewers read, editors update, admins delete.
for (const [role, permission] of [['viewer', 'read'], ['editor', 'update'], ['admin', 'delete']]) {
    await UserRoles.createNewRoleOrAddPermissions(role, [`articles:${permission}`]);
}
const server = app.listen(Number(PORT), '127.0.0.1', () =>
    console.log(`http://127.0.0.1:${server.address().port}`),
);
