import type { Provenance, ReleaseManifest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, type TenantId } from '@sightline/kernel';
import type { RequestCaller } from '@sightline/rest-server';
import { sql } from 'drizzle-orm';

import type { Audit } from '../audit/audit.js';

/** What a licence says of use for gain: nothing against it, against it, or nothing that we could read. */
export type LicenceUse = 'any' | 'non-commercial' | 'unknown';

/** SPDX ids of licences of software and data that allow use for gain, with whatever duties. */
const open =
  /^(?:MIT(?:-0)?|Apache-2\.0|BSD-[23]-Clause|ISC|0BSD|Zlib|BSL-1\.0|Unlicense|CC0-1\.0|CC-BY(?:-SA)?-[234]\.\d|MPL-2\.0|EPL-2\.0|(?:A|L)?GPL-[23]\.\d(?:-only|-or-later)?)$/i;
const closed = /(?:^|[^a-z])(?:nc|non-?commercial|research|academic|evaluation)(?:$|[^a-z])/i;

/**
 * Reads an SPDX expression (`MIT`, `Apache-2.0 AND CC-BY-NC-4.0`) or what else stands in its place. Of `OR` the kinder half
 * counts, of `AND` the stricter.
 */
export function useAllowedBy(licence: string): LicenceUse {
  const strictest = (uses: readonly LicenceUse[]): LicenceUse => {
    if (uses.includes('non-commercial')) return 'non-commercial';
    return uses.includes('unknown') ? 'unknown' : 'any';
  };
  const choices = licence
    .replaceAll(/[()]/g, ' ')
    .split(/\sOR\s/i)
    .map((choice) => strictest(choice.split(/\sAND\s/i).map((part) => useOf(part.trim()))));
  return choices.find((use) => use === 'any') ?? strictest(choices);
}

function useOf(licence: string): LicenceUse {
  const [id = ''] = licence.split(/\sWITH\s/i);
  if (open.test(id.trim())) return 'any';
  return closed.test(licence) ? 'non-commercial' : 'unknown';
}

/** A model's name and licence. */
export type Licensed = Pick<Provenance, 'name' | 'licence'>;

/** The models of a release, for {@link assertLicensed}. */
export function licensedOf({ detector, landmarks, embedder, presentationAttack }: Models): readonly Licensed[] {
  const models = [detector, landmarks, embedder, ...(presentationAttack ? [presentationAttack] : [])];
  return models.map(({ provenance }) => provenance);
}
type Models = Pick<ReleaseManifest, 'detector' | 'landmarks' | 'embedder' | 'presentationAttack'>;

/**
 * @throws AppError `MODEL.LICENCE_REFUSED`, which names the model and its licence, when something is to be used for gain
 *   whose licence forbids that, or says nothing that we can read
 */
export function assertLicensed(models: readonly Licensed[], use: { readonly commercial: boolean }): void {
  if (!use.commercial) return;
  const refused = models.find(({ licence }) => useAllowedBy(licence) !== 'any');
  if (refused === undefined) return;
  const { name, licence } = refused;
  const reason = useAllowedBy(licence) === 'unknown' ? 'is not known to allow' : 'does not allow';
  throw new AppError(
    'MODEL.LICENCE_REFUSED',
    `The licence of "${name}", ${licence}, ${reason} commercial use, and this tenant is commercial.`,
    { details: { model: name, licence } },
  );
}

/** What each tenant uses models for. Commercially, until somebody says otherwise. */
export class DeployPolicies {
  readonly #database: Database;
  readonly #audit: Audit;

  constructor(database: Database, audit: Audit) {
    this.#database = database;
    this.#audit = audit;
  }

  async of(tenantId: TenantId): Promise<{ readonly commercial: boolean }> {
    const { rows } = await this.#database.db.execute<{ commercial: boolean }>(
      sql`SELECT commercial FROM registry.deploy_policy WHERE tenant_id = ${tenantId}`,
    );
    return { commercial: rows[0]?.commercial ?? true };
  }

  async set(caller: RequestCaller, { commercial }: { readonly commercial: boolean }): Promise<void> {
    await this.#audit.change(caller, { action: 'deploy-policy.set' }, (tx) =>
      tx.execute(
        sql`INSERT INTO registry.deploy_policy VALUES (${caller.tenantId}, ${commercial})
            ON CONFLICT (tenant_id) DO UPDATE SET commercial = excluded.commercial`,
      ),
    );
  }

  /** Throws as {@link assertLicensed} when a tenant may not run a release. */
  async assertMayDeploy(tenantId: TenantId, release: Models): Promise<void> {
    assertLicensed(licensedOf(release), await this.of(tenantId));
  }
}
