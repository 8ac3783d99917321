/* SPDX-License-Identifier: Apache-2.0
 *
 * init: a small project to start from. Its files are below as they are written; keys are made on
 * the spot. Nothing that exists is overwritten. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "file.h"
#include "jose/jwt.h"
#include "verbs.h"

static const char template_yaml[] =
    "Transform: AWS::Serverless-2016-10-31\n"
    "Resources:\n"
    "  Api:\n"
    "    Type: AWS::Serverless::Api\n"
    "    Properties:\n"
    "      StageName: dev\n"
    "      Auth:\n"
    "        DefaultAuthorizer: Guard\n"
    "        Authorizers:\n"
    "          Guard:\n"
    "            FunctionArn: !GetAtt Authorizer.Arn\n"
    "            Identity:\n"
    "              ReauthorizeEvery: 300\n"
    "  Authorizer:\n"
    "    Type: AWS::Serverless::Function\n"
    "    Properties:\n"
    "      CodeUri: authorizer/\n"
    "      Handler: index.handler\n"
    "      Runtime: nodejs20.x\n"
    "  Hello:\n"
    "    Type: AWS::Serverless::Function\n"
    "    Properties:\n"
    "      CodeUri: hello/\n"
    "      Handler: index.handler\n"
    "      Runtime: nodejs20.x\n"
    "      Events:\n"
    "        Get: {Type: Api, Properties: {RestApiId: !Ref Api, Path: /hello, Method: GET}}\n";

static const char authorizer_js[] =
    "// A TOKEN authorizer: is this token ours, and what may its owner do?\n"
    "const fs = require('node:fs');\n"
    "const path = require('node:path');\n"
    "const jwt = require('jsonwebtoken');\n"
    "\n"
    "const key = fs.readFileSync(path.join(__dirname, 'dev.pub.pem'));\n"
    "\n"
    "exports.handler = async (event) => {\n"
    "  let claims;\n"
    "  try {\n"
    "    const token = event.authorizationToken.replace(/^Bearer /, '');\n"
    "    claims = jwt.verify(token, key, { algorithms: ['RS256'] });\n"
    "  } catch (error) {\n"
    "    console.log('refused:', error.message);\n"
    "    throw new Error('Unauthorized'); // exactly this text is a 401\n"
    "  }\n"
    "  const stage = event.methodArn.split('/').slice(0, 2).join('/');\n"
    "  return {\n"
    "    principalId: claims.sub,\n"
    "    policyDocument: {\n"
    "      Version: '2012-10-17',\n"
    "      // The whole stage, not event.methodArn: the answer is cached and serves every route.\n"
    "      Statement: [{ Effect: 'Allow', Action: 'execute-api:Invoke', Resource: `${stage}/*` "
    "}],\n"
    "    },\n"
    "    context: { role: claims.role || 'viewer' },\n"
    "  };\n"
    "};\n";

static const char hello_js[] =
    "exports.handler = async (event) => ({\n"
    "  statusCode: 200,\n"
    "  body: JSON.stringify({ hello: event.requestContext.authorizer.principalId }),\n"
    "});\n";

static const char package_json[] = "{\n"
                                   "  \"name\": \"authorizer\",\n"
                                   "  \"private\": true,\n"
                                   "  \"dependencies\": { \"jsonwebtoken\": \"9.0.3\" }\n"
                                   "}\n";

static const char readme_md[] =
    "# A small API behind a Lambda authorizer\n"
    "\n"
    "    (cd authorizer && npm install)\n"
    "    ropeline dev\n"
    "\n"
    "and in another terminal, in this folder:\n"
    "\n"
    "    curl -i http://127.0.0.1:8080/dev/hello                  # 401\n"
    "    TOKEN=$(ropeline token --sub ana --role editor)\n"
    "    curl -i http://127.0.0.1:8080/dev/hello -H \"Authorization: Bearer $TOKEN\"\n"
    "    ropeline explain --last\n"
    "\n"
    "`keys/dev.pem` signs the tokens; `authorizer/dev.pub.pem` is its public half. Both were made\n"
    "here and are for development only.\n";

static const struct {
    const char *path, *text;
} files[] = {
    {"template.yaml", template_yaml},
    {"authorizer/index.js", authorizer_js},
    {"authorizer/package.json", package_json},
    {"authorizer/.npmrc", "package-lock=false\n"},
    {"hello/index.js", hello_js},
    {"README.md", readme_md},
    {".gitignore", "node_modules/\n.ropeline/\nkeys/\n"},
};

static bool write_one(const char *dir, const char *name, struct str text, unsigned mode)
{
    char path[4096];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        fprintf(stderr, "ropeline: %s: the path is too long\n", dir);
        return false;
    }
    if (lstat(path, &st) == 0) {
        fprintf(stderr, "ropeline: %s exists already; init writes only into a new place\n", path);
        return false;
    }
    char parent[4096];
    size_t slash = str_rchr(str_c(path), '/');
    memcpy(parent, path, slash);
    parent[slash] = '\0';
    if (file_make_dir(parent) != ERR_OK || file_write(path, text, mode) != ERR_OK) {
        fprintf(stderr, "ropeline: %s: %s\n", path, strerror(errno));
        return false;
    }
    printf("  wrote %s\n", path);
    return true;
}

int verb_init(int argc, char **argv)
{
    if (argc == 1 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        printf("usage: ropeline init DIR\n\nmakes a small project: an authorizer, a template, "
               "keys, a README\n");
        return 0;
    }
    if (argc != 1 || argv[0][0] == '-') {
        fprintf(stderr, "usage: ropeline init DIR\n");
        return 2;
    }
    AUTO_BUF priv = BUF_INIT(KIB(16));
    AUTO_BUF pub = BUF_INIT(KIB(16));
    if (jwk_make_pem(STR("RS256"), &priv, &pub) != ERR_OK) {
        fprintf(stderr, "ropeline: no key could be made\n");
        return 1;
    }
    for (size_t i = 0; i < COUNTOF(files); i++)
        if (!write_one(argv[0], files[i].path, str_c(files[i].text), 0644))
            return 1;
    if (!write_one(argv[0], "keys/dev.pem", buf_str(&priv), 0600) ||
        !write_one(argv[0], "authorizer/dev.pub.pem", buf_str(&pub), 0644))
        return 1;
    printf("next: cd %s && (cd authorizer && npm install) && ropeline dev\n", argv[0]);
    return 0;
}
