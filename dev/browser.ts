import { spawnSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
/** As root Chromium has no sandbox; the rest keeps it from talking to anybody but the page's own server. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The browser's command: `LETHE_CHROMIUM`, or what is on the PATH. Throws when there is none. */
export function findChromium(): string {
  const candidates = process.env.LETHE_CHROMIUM ? [process.env.LETHE_CHROMIUM] : COMMANDS;
  for (const command of candidates) {
    const { status, stdout } = spawnSync('sh', ['-c', 'command -v "$0"', command], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  throw new Error(`no browser: none of ${candidates.join(', ')} is on the PATH`);
}

/** Starts a headless browser; the caller closes it. `more` are further switches of its command line. */
export const openBrowser = (more: string[] = []): Promise<Browser> =>
  chromium.launch({ executablePath: findChromium(), args: [...FLAGS, ...more] });
