export { openBundle } from './bundle.js';
export * from './release-client.js';
export * from './release-store.js';
export * from './signing/release-repository.js';
export * from './signing/role-keys.js';
export { manifestTarget, modelTarget } from './targets-layout.js';
export { describeTrustedRoot } from './trusted-root.js';
