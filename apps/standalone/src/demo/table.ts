import type { rest } from '@sightline/contracts';

const COLUMNS = [
  { title: 'seen at', width: 12 },
  { title: 'camera', width: 12 },
  { title: 'who', width: 22 },
  { title: 'score', width: 6, right: true },
  { title: 'bar', width: 6, right: true },
  { title: 'FAR', width: 7, right: true },
  { title: 'latency', width: 9, right: true },
] as const;

type Cells = readonly [string, string, string, string, string, string, string];

function line(cells: Cells): string {
  return COLUMNS.map(({ width, ...column }, index) => {
    const text = (cells[index] ?? '').slice(0, width);
    return 'right' in column ? text.padStart(width) : text.padEnd(width);
  })
    .join('  ')
    .trimEnd();
}

/** The table's head: titles and a rule. */
export function tableHead(): string {
  const titles = COLUMNS.map(({ title }) => title) as unknown as Cells;
  return `${line(titles)}\n${COLUMNS.map(({ width }) => '─'.repeat(width)).join('  ')}`;
}

/** One sighting as one row: who was seen, where, how sure, against which bar, how fast. */
export function tableRow(sighting: rest.Sighting): string {
  const { decision } = sighting;
  return line([
    sighting.firstSeenAt.slice(11, 23),
    sighting.cameraId,
    whoOf(sighting),
    decision.score === null ? '–' : decision.score.toFixed(3),
    decision.threshold.toFixed(3),
    decision.falseMatchRate.toExponential(0),
    `${Math.round(sighting.latencyMs)} ms`,
  ]);
}

function whoOf({ decision, refusalCode }: rest.Sighting): string {
  if (decision.outcome === 'refused') return `(refused: ${refusalCode ?? 'no reason'})`;
  return decision.person?.name ?? '(unknown)';
}
