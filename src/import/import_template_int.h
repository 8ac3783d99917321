/* SPDX-License-Identifier: Apache-2.0
 *
 * What the readers of templates share: SAM's resources and events, raw CloudFormation. */
#ifndef ROPELINE_IMPORT_IMPORT_TEMPLATE_INT_H
#define ROPELINE_IMPORT_IMPORT_TEMPLATE_INT_H

#include "import_api_int.h"

/* --- templates ---------------------------------------------------------------------------------
 */
void import__template(struct importer *im, const struct json *doc);
/* The API that a text names, by Ref or id. */
struct symbol *import__api_named(const struct importer *im, struct str id);
void import__serverless_api(struct importer *im, struct symbol *s);
void import__serverless_http_api(struct importer *im, struct symbol *s);
void import__read_definition(struct importer *im, struct import_api *api,
                             const struct json *properties);
void import__events(struct importer *im, const struct symbol *function);
void import__cors(struct importer *im, struct import_api *api);
/* SAM's UsagePlan of an API's Auth. */
void import__usage_plan(struct importer *im, struct import_api *api, const struct json *v);
/* SAM's ResourcePolicy, of the API (path NULL) or of one of its methods. */
void import__resource_policy(struct importer *im, struct import_api *api, const struct json *v,
                             const struct route *only);
void import__sam_domain(struct importer *im, struct import_api *api, const struct json *v);

/* --- raw CloudFormation (cfn.c, cfn_rest.c, cfn_http.c, cfn_keys.c) ----------------------------
 */
/* True when the type is one that is read here. */
bool import__cfn_reads(struct str type);
/* Makes the APIs of AWS::ApiGateway and ApiGatewayV2, and adds what refers to APIs of SAM. */
void import__cfn(struct importer *im);
void import__cfn_rest_api(struct importer *im, struct symbol *s);
void import__cfn_rest_parts(struct importer *im, struct import_api *api);
void import__cfn_http_api(struct importer *im, struct symbol *s);
void import__cfn_http_parts(struct importer *im, struct import_api *api);
void import__cfn_keys(struct importer *im);
/* The resource's properties, resolved; never NULL. */
const struct json *import__properties(struct importer *im, struct symbol *s);
/* Whether the property says that the resource belongs to the API. */
bool import__belongs(struct importer *im, struct symbol *s, const char *property,
                     const struct import_api *api);
/* What an authorizer is called in its API: Name, or its logical id. */
struct str import__authorizer_name(struct importer *im, struct symbol *s);
/* AuthorizationType, AuthorizerId, AuthorizationScopes, ApiKeyRequired of a method or route. */
bool import__cfn_access(struct importer *im, struct import_api *api, struct symbol *s,
                        struct access *out);
/* "IntegrationHttpMethod" -> "integrationHttpMethod", one level deep. */
struct json *import__camel(struct importer *im, const struct json *v);
struct model_api_key *import__new_key(struct importer *im, struct str id, const struct json *spec,
                                      struct spot at);
struct model_usage_plan *import__new_plan(struct importer *im, struct str id,
                                          const struct json *spec, struct spot at);
/* The domain of that name, made if it is not there. */
struct model_domain *import__new_domain(struct importer *im, struct str name, struct spot at);
void import__add_mapping(struct importer *im, struct model_domain *d, struct str base_path,
                         struct str api_id, struct str stage);

#endif
