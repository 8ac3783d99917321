/* SPDX-License-Identifier: Apache-2.0
 * Usage plans for the documents of template.mjs: planned(api({...}), {keys, plans, settings}) adds
 * API keys, plans and stage settings as CloudFormation writes them.
 */

/** A route that requires an API key, beside whatever guards it. */
export function keyed(integration) {
    return { ...integration, keyed: true };
}

/** A value that is long enough, from a short name. */
export const value = (name) => `${name}-`.padEnd(30, '0123456789');

const limits = (throttle) => throttle && { RateLimit: throttle[0], BurstLimit: throttle[1] };

/**
 * keys: {Name: {enabled, value}}; plans: {Name: {keys, throttle: [rate, burst], quota: {limit,
 * period, offset}, methods: {"/pets/GET": [rate, burst]}, api, stage}}; settings: {"/pets": ["GET",
 * rate, burst]} of the stage; source: AUTHORIZER.
 */
export function planned(project, { keys = {}, plans = {}, settings, source } = {}) {
    const template = JSON.parse(project.text);
    const { Properties } = template.Resources.Api;
    const document = Properties.DefinitionBody;
    document.components.securitySchemes.api_key = { type: 'apiKey', name: 'x-api-key', in: 'header' };
    for (const path of Object.values(document.paths)) {
        for (const operation of Object.values(path)) {
            const integration = operation['x-amazon-apigateway-integration'];
            if (integration.keyed) {
                operation.security = [{ ...operation.security?.[0], api_key: [] }];
            }
            delete integration.keyed;
        }
    }
    if (source) {
        document['x-amazon-apigateway-api-key-source'] = source;
    }
    if (settings) {
        Properties.MethodSettings = Object.entries(settings).map(([path, [verb, rate, burst]]) => ({
            ResourcePath: path,
            HttpMethod: verb,
            ThrottlingRateLimit: rate,
            ThrottlingBurstLimit: burst,
        }));
    }
    for (const [name, { enabled = true, value: given = value(name) }] of Object.entries(keys)) {
        template.Resources[name] = {
            Type: 'AWS::ApiGateway::ApiKey',
            Properties: { Enabled: enabled, ...(given && { Value: given }) },
        };
    }
    for (const [name, plan] of Object.entries(plans)) {
        addPlan(template.Resources, name, plan, project.stage);
    }
    return { ...project, text: JSON.stringify(template, null, 2) };
}

function addPlan(resources, name, plan, stage) {
    const methods = Object.entries(plan.methods ?? {}).map(([key, pair]) => [key, limits(pair)]);
    const { limit, period, offset } = plan.quota ?? {};
    resources[name] = {
        Type: 'AWS::ApiGateway::UsagePlan',
        Properties: {
            UsagePlanName: `${name} plan`,
            ApiStages: [
                {
                    ApiId: plan.api ?? { Ref: 'Api' },
                    Stage: plan.stage ?? stage,
                    ...(methods.length > 0 && { Throttle: Object.fromEntries(methods) }),
                },
            ],
            ...(plan.throttle && { Throttle: limits(plan.throttle) }),
            ...(plan.quota && { Quota: { Limit: limit, Period: period, Offset: offset ?? 0 } }),
        },
    };
    for (const key of plan.keys ?? []) {
        resources[`${name}${key}`] = {
            Type: 'AWS::ApiGateway::UsagePlanKey',
            Properties: { KeyId: { Ref: key }, KeyType: 'API_KEY', UsagePlanId: { Ref: name } },
        };
    }
}
