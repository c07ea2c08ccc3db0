import type { PersonId } from '@sightline/kernel';
import sharp from 'sharp';

import { cast, photoPath, portraitCrop, type CastMember } from './casting.js';
import type { CloudClient } from './cloud-client.js';

/** Portrait of one member as JPEG bytes: what somebody would upload. */
export async function portraitOf({ portrait }: CastMember): Promise<Uint8Array> {
  return sharp(photoPath(portrait.photo)).extract(portraitCrop(portrait)).jpeg({ quality: 92 }).toBuffer();
}

/** Enrols everybody who is cast for it, over REST; the ids by name. */
export async function enrolCast(client: CloudClient): Promise<ReadonlyMap<string, PersonId>> {
  const ids = new Map<string, PersonId>();
  for (const member of cast) {
    if (member.role !== 'enrolled') continue;
    const person = await client.createPerson({ name: member.name });
    await client.enrolFace(person.id, await portraitOf(member));
    ids.set(member.name, person.id as PersonId);
  }
  return ids;
}
