import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import type { DeviceId, TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, inArray } from 'drizzle-orm';

import { DATABASE } from '../platform/tokens.js';
import { device } from '../storage/schema.js';
import { DecisionPolicies } from './decision-policies.js';
import { dependsOnSites, resolveRules, type ResolvedRules, type TenantPolicy } from './decision-policy.js';

/** What of a probe chooses its rules. */
export interface Placed {
  readonly tenantId: TenantId;
  readonly deviceId?: DeviceId | undefined;
  readonly cameraId?: string | undefined;
  readonly use?: rest.DecisionUse | undefined;
}

export interface PlacedRules<P extends Placed> {
  readonly probe: P;
  readonly rules: ResolvedRules;
  readonly siteId: string | undefined;
}

/** The rules of what was seen somewhere. */
@Injectable()
export class DecisionPlaces {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    private readonly policies: DecisionPolicies,
  ) {}

  /** In the order of the probes. Sites are looked up where a tenant's policy depends on them alone. */
  async rulesOf<P extends Placed>(probes: readonly P[]): Promise<readonly PlacedRules<P>[]> {
    const tenants = [...new Set(probes.map(({ tenantId }) => tenantId))];
    const read = await Promise.all(tenants.map(async (id) => [id, await this.policies.of(id)] as const));
    const policies = new Map<TenantId, TenantPolicy>(read);
    const policyOf = ({ tenantId }: Placed): TenantPolicy => {
      const policy = policies.get(tenantId);
      if (policy === undefined) throw new Error('a tenant without a policy');
      return policy;
    };
    const sites = await this.#sites(probes.filter((probe) => dependsOnSites(policyOf(probe))));
    const { target } = this.policies;
    return probes.map((probe) => {
      const { tenantId, deviceId, cameraId, use } = probe;
      const siteId = deviceId && sites.get(`${tenantId}/${deviceId}`);
      return { probe, siteId, rules: resolveRules(policyOf(probe), { siteId, deviceId, cameraId }, { target, use }) };
    });
  }

  async #sites(probes: readonly Placed[]): Promise<ReadonlyMap<string, string>> {
    const ids = [...new Set(probes.flatMap(({ deviceId }) => deviceId ?? []))];
    if (ids.length === 0) return new Map();
    const tenants = [...new Set(probes.map(({ tenantId }) => tenantId))];
    const rows = await this.database.db
      .select({ tenantId: device.tenantId, id: device.id, siteId: device.siteId })
      .from(device)
      .where(and(inArray(device.tenantId, tenants), inArray(device.id, ids)));
    return new Map(rows.map(({ tenantId, id, siteId }) => [`${tenantId}/${id}`, siteId]));
  }
}
