export { AccessGuard } from './access.guard.js';
export { Caller, principalOf, Tenant, type Principal, type RequestCaller } from './caller.js';
export { bearerToken, CredentialChecks, unauthenticated } from './credentials.js';
export { ExternalTokens, invalidToken, type IdentityProviderConfig } from './external-tokens.js';
export { networkOf } from './failed-attempts.js';
export { identityProviderEnvironment, identityProviderFrom, trustworthyUrlSchema } from './identity-provider.js';
export * from './installation-tokens.js';
export * from './roles.js';
export { isJwt, issuerOf } from './token-issuer.js';
