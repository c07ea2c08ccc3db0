import type { rest } from '@sightline/contracts';
import type { Database } from '@sightline/database';
import { AppError, isUuid, type Clock, type PersonId, type TenantId } from '@sightline/kernel';
import { Inject, Injectable } from '@nestjs/common';
import { and, eq, inArray } from 'drizzle-orm';

import { decodeCursor, encodeCursor } from '../http/page-cursor.js';
import { identityColumns, PersonalData, type Identity } from '../personal-data/personal-data.js';
import { CLOCK, DATABASE } from '../platform/tokens.js';
import { person } from '../storage/schema.js';
import { daysBetween, LocalClock, localDays, type LocalDay } from './local-days.js';
import { readPresence, type Place, type Presence } from './presence-query.js';

/** Days of one report: a quarter, as long as sightings are kept by default. */
const DAYS = 93;
/** Person-days that are read at once for a table. */
const TABLE_PAGE = 500;
const MINUTE_MS = 60_000;

/** From where on a report goes on. */
interface Position {
  readonly day: string;
  readonly after: PersonId | undefined;
}

/** Who was where from when to when, by day. */
@Injectable()
export class Attendance {
  constructor(
    @Inject(DATABASE) private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly personalData: PersonalData,
  ) {}

  /**
   * Days in their order, and of each its people by their ids, which are in the order of their enrolment.
   *
   * @throws AppError `REQUEST.INVALID` for more than 93 days, or less than one, for absence of nobody in particular,
   *   and for a cursor that is not ours
   */
  async page(tenantId: TenantId, { cursor, limit, ...query }: rest.AttendanceQuery): Promise<rest.AttendancePage> {
    assertAnswerable(query);
    const at = cursor === undefined ? undefined : decodeCursor(cursor, isUuid);
    const position = at && { day: at.time.toISOString().slice(0, 10), after: at.id as PersonId };
    const items = await this.#read(tenantId, query, { position, limit: limit + 1 });
    const shown = items.slice(0, limit);
    const last = shown.at(-1);
    const isLast = items.length <= limit || last === undefined;
    return {
      items: shown,
      nextCursor: isLast ? null : encodeCursor({ time: new Date(last.day), id: last.person.id }),
    };
  }

  /** All of it, a line for each person and day, read as it is taken; throws as {@link page}. */
  lines(tenantId: TenantId, query: rest.AttendanceTableQuery): AsyncIterable<rest.AttendanceLine> {
    assertAnswerable(query);
    return this.#lines(tenantId, query);
  }

  async *#lines(tenantId: TenantId, query: rest.AttendanceTableQuery): AsyncGenerator<rest.AttendanceLine> {
    const clock = new LocalClock(query.timeZone);
    let position: Position | undefined;
    for (;;) {
      const items = await this.#read(tenantId, query, { position, limit: TABLE_PAGE });
      for (const item of items) yield lineOf(item, clock);
      const last = items.at(-1);
      if (last === undefined || items.length < TABLE_PAGE) return;
      position = { day: last.day, after: last.person.id as PersonId };
    }
  }

  async #read(
    tenantId: TenantId,
    query: rest.AttendanceTableQuery,
    { position, limit }: { readonly position: Position | undefined; readonly limit: number },
  ): Promise<readonly rest.AttendanceDay[]> {
    const { site, group, gapMinutes } = query;
    const filter = { tenantId, site, group, gapMinutes, personId: query.personId as PersonId | undefined };
    const items: rest.AttendanceDay[] = [];
    const now = new Date(this.clock.wallMs());
    for (const day of localDays(new LocalClock(query.timeZone), query.from, query.to)) {
      if (position !== undefined && day.day < position.day) continue;
      // Of a day to come nobody can be absent.
      if (items.length === limit || day.from > now) break;
      const after = day.day === position?.day ? position.after : undefined;
      const found = await readPresence(this.database, {
        ...{ ...filter, day, after, absent: query.absent === 'true', limit: limit - items.length },
      });
      items.push(...(await this.#named(tenantId, day, found)));
    }
    return items;
  }

  async #named(tenantId: TenantId, day: LocalDay, people: readonly Presence[]): Promise<rest.AttendanceDay[]> {
    if (people.length === 0) return [];
    const ids = people.map(({ personId }) => personId);
    const own = and(eq(person.tenantId, tenantId), inArray(person.id, ids));
    const rows = await this.database.db.select(identityColumns).from(person).where(own);
    const identities = await this.personalData.openIdentities(rows);
    // Whoever is erased meanwhile is shown nowhere, but keeps their place in the order.
    return people.map((one) => dayOf(day, one, identities.get(one.personId)));
  }
}

function assertAnswerable({ from, to, absent, group, personId }: rest.AttendanceTableQuery): void {
  const days = daysBetween(from, to);
  if (days < 1 || days > DAYS) {
    throw new AppError('REQUEST.INVALID', `A report is of 1 to ${DAYS} days, from the first to the last.`);
  }
  if (absent === 'true' && group === undefined && personId === undefined) {
    throw new AppError('REQUEST.INVALID', 'Say of whom absence is to be told: of a group, or of a person.');
  }
}

function dayOf({ day }: LocalDay, { personId, stays }: Presence, identity: Identity | undefined): rest.AttendanceDay {
  const [first, last] = [stays[0], stays.at(-1)];
  const presentMs = stays.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  return {
    day,
    person: { id: personId, name: identity?.name ?? '', externalId: identity?.externalId ?? null },
    present: stays.length > 0,
    firstSeen: first === undefined ? null : seen(first.fromMs, first.firstAt),
    lastSeen: last === undefined ? null : seen(last.toMs, last.lastAt),
    sightings: stays.reduce((sum, { sightings }) => sum + sightings, 0),
    presentMinutes: Math.round((presentMs / MINUTE_MS) * 100) / 100,
    stays: stays.map(({ fromMs, toMs, sightings }) => ({ from: iso(fromMs), to: iso(toMs), sightings })),
  };
}

function lineOf({ day, person: one, present, firstSeen, lastSeen, ...counts }: rest.AttendanceDay, clock: LocalClock) {
  return {
    ...{ day, personId: one.id, name: one.name, externalId: one.externalId },
    present: present ? ('yes' as const) : ('no' as const),
    firstSeen: firstSeen && clock.format(new Date(firstSeen.at)),
    firstSite: firstSeen?.siteId ?? null,
    firstCamera: firstSeen?.cameraId ?? null,
    lastSeen: lastSeen && clock.format(new Date(lastSeen.at)),
    lastSite: lastSeen?.siteId ?? null,
    lastCamera: lastSeen?.cameraId ?? null,
    ...{ sightings: counts.sightings, stays: counts.stays.length, presentMinutes: counts.presentMinutes },
  };
}

const seen = (ms: number, { siteId, deviceId, cameraId }: Place) => ({ at: iso(ms), siteId, deviceId, cameraId });
const iso = (ms: number): string => new Date(Math.round(ms)).toISOString();
