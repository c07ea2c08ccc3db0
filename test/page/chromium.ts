import { chromium, type Browser } from 'playwright-core';

/** Where Debian has it. */
const EXECUTABLE = '/usr/bin/chromium';

/** A real browser without a window, with a profile of its own that goes with it, and that calls nobody by itself. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      // Tests run as root in containers, where the sandbox does not start.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
