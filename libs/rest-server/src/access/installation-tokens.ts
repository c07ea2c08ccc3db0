import type { IdentityProviderConfig } from './external-tokens.js';

/** Who issues the installation's own tokens (cloud-api), and for whom: its programs. */
export const INSTALLATION_ISSUER = 'sightline/cloud-api';
export const INSTALLATION_AUDIENCE = 'sightline';
/** How far the clocks of two programs of an installation may be apart, s. */
export const INSTALLATION_SKEW_SECONDS = 30;

/** Takes the tokens that cloud-api issues for API keys as those of an identity provider, by the keys that it publishes. */
export function installationTokensOf(cloudApiUrl: string): IdentityProviderConfig {
  return {
    issuer: INSTALLATION_ISSUER,
    audience: INSTALLATION_AUDIENCE,
    jwks: { url: `${cloudApiUrl.replace(/\/+$/, '')}/.well-known/jwks.json` },
    claims: { tenant: 'tenant', role: 'role', device: 'device' },
    clockSkewSeconds: INSTALLATION_SKEW_SECONDS,
  };
}
