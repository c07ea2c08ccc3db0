import { mkdir, writeFile } from 'node:fs/promises';

/** Writes `reports/<name>.json` below the working directory. */
export async function writeReport(name: string, report: object): Promise<void> {
  await mkdir('reports', { recursive: true });
  await writeFile(`reports/${name}.json`, `${JSON.stringify(report, null, 2)}\n`);
}
