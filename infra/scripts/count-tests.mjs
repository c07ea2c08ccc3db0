#!/usr/bin/env node
// Adds up Vitest's JSON reports and ends with the line `N passed, N failed`. A missing report or a skipped
// test is a failure: continuous integration skips nothing.
import { existsSync, readFileSync } from 'node:fs';

let passed = 0;
let failed = 0;
for (const file of process.argv.slice(2)) {
  if (!existsSync(file)) {
    console.error(`${file} is missing: that suite did not run to its end`);
    failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const skipped = report.numPendingTests + report.numTodoTests;
  if (skipped > 0) console.error(`${file}: ${skipped} skipped`);
  const brokenFiles = report.testResults.filter(
    (suite) => suite.status === 'failed' && suite.assertionResults.length === 0,
  );
  for (const suite of brokenFiles) console.error(`${suite.name} did not load: ${suite.message}`);
  passed += report.numPassedTests;
  failed += report.numFailedTests + skipped + brokenFiles.length;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
