import type { DeviceAddress, DeviceBirth } from '@sightline/contracts';
import { Injectable } from '@nestjs/common';

type BirthListener = (address: DeviceAddress, birth: DeviceBirth) => Promise<void>;

/** Tells the other modules of births, once the box's twin knows of them. */
@Injectable()
export class DeviceBirths {
  readonly #listeners: BirthListener[] = [];

  on(listener: BirthListener): void {
    this.#listeners.push(listener);
  }

  /** Resolves once everybody has taken it. A birth may come twice. */
  async tell(address: DeviceAddress, birth: DeviceBirth): Promise<void> {
    for (const listener of this.#listeners) await listener(address, birth);
  }
}
