/** One thing that was looked at. */
export interface Finding {
  /** The key of the configuration, or what else was looked at. */
  readonly about: string;
  readonly verdict: 'good' | 'doubtful' | 'bad';
  readonly message: string;
}

const marks = { good: 'ok  ', doubtful: 'warn', bad: 'BAD ' } as const;

/** Findings for a terminal, the bad ones last, where they are seen. */
export function printFindings(findings: readonly Finding[]): string {
  const order = { good: 0, doubtful: 1, bad: 2 } as const;
  const sorted = [...findings].sort((a, b) => order[a.verdict] - order[b.verdict]);
  return sorted.map(({ about, verdict, message }) => `${marks[verdict]}  ${about}: ${message}`).join('\n');
}
