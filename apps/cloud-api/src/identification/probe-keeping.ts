import { newTemplateId, type PersonId, type TemplateId, type TenantId } from '@sightline/kernel';
import type { OpenSetDecision } from '@sightline/matching';
import {
  createSealer,
  decodeTemplate,
  encodeTemplate,
  type Sealer,
  type Template,
} from '@sightline/template-protection';
import { Inject, Injectable } from '@nestjs/common';

import type { CloudApiConfig } from '../config.js';
import { PersonalData } from '../personal-data/personal-data.js';
import { CONFIG } from '../platform/tokens.js';
import { DecisionPolicies } from './decision-policies.js';
import { retentionOf } from './decision-policy.js';

const HOUR_MS = 3_600_000;

/** A probe on its way into the database, sealed. */
export interface SealedProbe {
  readonly templateId: TemplateId;
  /** Whom the decision names: the probe is sealed with the key of the first. None: with a key of the tenant. */
  readonly personIds: readonly PersonId[];
  readonly template: Omit<Template, 'data'>;
  readonly sealed: Uint8Array;
  readonly keptForMs: number;
}

/** A decision that is about to be stored, with its probe. */
export interface DecidedProbe {
  readonly tenantId: TenantId;
  readonly probe: Template;
  readonly decision: OpenSetDecision;
}

/** Seals and opens probes that are kept, so that somebody can review a decision. */
@Injectable()
export class ProbeKeeping {
  readonly #sealer: Sealer;

  constructor(
    @Inject(CONFIG) { keyEncryptionKey }: Pick<CloudApiConfig, 'keyEncryptionKey'>,
    private readonly personalData: PersonalData,
    private readonly policies: DecisionPolicies,
  ) {
    this.#sealer = createSealer(keyEncryptionKey, 'kept-probe');
  }

  /** Seals the probes that the tenants' policies keep; undefined for the others, in the order of the decisions. */
  async seal(decided: readonly (DecidedProbe | undefined)[]): Promise<readonly (SealedProbe | undefined)[]> {
    const named = decided.flatMap((one) => {
      const [personId] = one === undefined ? [] : namedBy(one.decision);
      return one === undefined || personId === undefined ? [] : [{ tenantId: one.tenantId, personId }];
    });
    if (named.length > 0) await this.personalData.keys.load(named);
    return Promise.all(decided.map(async (one) => (one === undefined ? undefined : this.#seal(one))));
  }

  /** The template again; undefined once the key of whom it was kept for is destroyed. */
  async open(tenantId: TenantId, probe: Omit<SealedProbe, 'keptForMs'>): Promise<Template | undefined> {
    const [opened] = await this.openAll(tenantId, [probe]);
    return opened;
  }

  /** Templates in the order of the probes; undefined once the key of whom one was kept for is destroyed. */
  async openAll(
    tenantId: TenantId,
    probes: readonly Omit<SealedProbe, 'keptForMs'>[],
  ): Promise<readonly (Template | undefined)[]> {
    const named = probes.flatMap(({ personIds: [personId], templateId: id, sealed }) =>
      personId === undefined ? [] : [{ tenantId, personId, id, sealed }],
    );
    const opened = (await this.personalData.openTemplates(named)).values();
    return probes.map(({ templateId, personIds: [personId], template, sealed }) => {
      if (personId === undefined) {
        return { ...template, data: this.#sealer.open(sealed, contextOf(tenantId, templateId)) };
      }
      const own = opened.next().value;
      return own && { ...template, data: own.data };
    });
  }

  async #seal({ tenantId, probe, decision }: DecidedProbe): Promise<SealedProbe | undefined> {
    if (decision.outcome === 'refused') return undefined;
    const { reviewHours, unknownHours } = retentionOf(await this.policies.of(tenantId));
    const personIds = namedBy(decision);
    const [personId] = personIds;
    const keptForMs = (personId === undefined ? unknownHours : reviewHours) * HOUR_MS;
    // Without a key the person was erased meanwhile, and the decision will not name them.
    if (
      keptForMs === 0 ||
      (personId !== undefined && this.personalData.keys.of({ tenantId, personId }) === undefined)
    ) {
      return undefined;
    }
    const templateId = newTemplateId();
    const { data, ...template } = compact(probe);
    if (personId === undefined) {
      const sealed = this.#sealer.seal(data, contextOf(tenantId, templateId));
      return { templateId, personIds, template, sealed, keptForMs };
    }
    const [row] = await this.personalData.sealTemplates([{ tenantId, personId, id: templateId, data }]);
    return row && { templateId, personIds, template, sealed: row.sealed, keptForMs };
  }
}

const contextOf = (tenantId: TenantId, templateId: TemplateId): string => `${tenantId}/${templateId}`;

/** The one who is identified, or the two who are ambiguous, nearest first. */
export function namedBy(decision: OpenSetDecision): readonly PersonId[] {
  if (decision.outcome === 'identified') return [decision.personId];
  return decision.outcome === 'ambiguous' ? decision.personIds : [];
}

/** As int8: half the bytes, and a cosine that differs by thousandths from that of the pooled shots. */
function compact(probe: Template): Template {
  if (probe.codec === 'int8') return probe;
  const { spaceId, keyId, variantDigest, quality } = probe;
  return encodeTemplate(decodeTemplate(probe), { spaceId, keyId, variantDigest, quality, codec: 'int8' });
}
