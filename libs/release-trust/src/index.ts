export { openBundle } from './bundle.js';
export { roleNames, type RoleName } from './delegated-roles.js';
export * from './release-client.js';
export * from './release-store.js';
export * from './signing/release-repository.js';
export * from './signing/role-keys.js';
export { describeRequest, signRequest } from './signing/signing-request.js';
export { manifestTarget, modelTarget } from './targets-layout.js';
export { describeTrustedRoot } from './trusted-root.js';
