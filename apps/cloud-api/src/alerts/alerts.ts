import type { Transaction } from '@sightline/database';
import type { Clock } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';

import { CLOCK } from '../platform/tokens.js';
import { raiseAlert, type NewAlert } from './raise-alert.js';

/** What somebody should be told. */
@Injectable()
export class Alerts {
  constructor(@Inject(CLOCK) private readonly clock: Clock) {}

  /**
   * Raises an alert in the transaction of what it is about; it is delivered soon after the commit.
   *
   * @returns the alert's id; undefined when there is one with its `dedupeKey`
   */
  raise(tx: Transaction, raised: NewAlert): Promise<string | undefined> {
    return raiseAlert(tx, raised, new Date(this.clock.wallMs()));
  }
}
