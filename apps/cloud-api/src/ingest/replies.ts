import { IdentificationOutcome, IdentificationSchema, SCHEMA_VERSION, SightingAckSchema } from '@sightline/contracts';
import { errorMessage, type Clock, type Logger } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';

import { DeviceLink } from '../devices/device-link.js';
import { ambiguousBetween } from '../identification/decision-record.js';
import { CLOCK, LOGGER } from '../platform/tokens.js';
import type { IngestBatch } from './decode-batch.js';
import type { RecordAnswer } from './ingest-store.js';

const outcomes = {
  identified: IdentificationOutcome.IDENTIFIED,
  ambiguous: IdentificationOutcome.AMBIGUOUS,
  unknown: IdentificationOutcome.UNKNOWN,
  refused: IdentificationOutcome.REFUSED,
} as const;

/** Tells devices what was committed. */
@Injectable()
export class Replies {
  constructor(
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(LOGGER) private readonly log: Logger,
    private readonly link: DeviceLink,
  ) {}

  /**
   * Answers a batch that is committed. Never rejects: what is committed stays so, and a box that hears nothing sends
   * again and is answered then.
   *
   * @param window batches that the box may have in flight from now on
   */
  async answer(
    batch: IngestBatch,
    committedThrough: number,
    answers: readonly RecordAnswer[],
    window: number,
  ): Promise<void> {
    const { address, correlationId, streamId } = batch;
    const head = { schemaVersion: SCHEMA_VERSION, correlationId, streamId };
    try {
      await Promise.all([
        this.link.send(address, 'sighting/ack', SightingAckSchema, {
          ...head,
          committedThrough: BigInt(committedThrough),
          window,
          cloudTimeMs: BigInt(Math.floor(this.clock.wallMs())),
        }),
        ...answers.map(({ sequence, sightingId, revision, decision }) =>
          this.link.send(address, 'identification', IdentificationSchema, {
            ...head,
            ...{ sequence: BigInt(sequence), sightingId, revision },
            outcome: outcomes[decision.outcome],
            personId: decision.personId ?? '',
            score: decision.score ?? 0,
            threshold: decision.threshold,
            falseMatchRate: decision.falseMatchRate,
            refusalCode: decision.refusalCode ?? '',
            groups: [...decision.groups],
            localDiffered: decision.localDiffered,
            ambiguousPersonIds: [...ambiguousBetween(decision)],
          }),
        ),
      ]);
    } catch (error) {
      const { tenantId, deviceId } = address;
      this.log.warn({ tenantId, deviceId, streamId, error: errorMessage(error) }, 'a device could not be answered');
    }
  }
}
