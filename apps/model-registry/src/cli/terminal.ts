/** Where a command writes: its answer, and what goes on meanwhile. */
export interface Terminal {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Whether somebody looks on: then progress is shown in one line that changes. */
  readonly isInteractive: boolean;
}

const BAR = 24;

/** `█████░░░ 42 %  what is done`. */
export function progressBar(progress: number, step: string): string {
  const full = Math.round(Math.min(1, Math.max(0, progress)) * BAR);
  const percent = String(Math.round(progress * 100)).padStart(3);
  return `${'█'.repeat(full)}${'░'.repeat(BAR - full)} ${percent} %  ${step}`;
}

/** Shows progress: one line that changes on a terminal, and nothing in a file. */
export function showProgress(terminal: Terminal, progress: number, step: string): void {
  if (terminal.isInteractive) terminal.err(`\r\u001b[2K${progressBar(progress, step)}`);
}

/** Ends the line of {@link showProgress}. */
export function endProgress(terminal: Terminal): void {
  if (terminal.isInteractive) terminal.err('\r\u001b[2K');
}

/** Columns as wide as their widest cell, two blanks between. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
