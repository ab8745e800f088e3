import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** What a page complains about from now on: errors in its script, and what its policy refused. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  return complaints;
}

export { openBrowser } from '../../dev/browser.ts';

type Violation = { id: string; nodes: { html: string }[] };

/** What axe finds wrong with the page as it stands: a line each with the rule and the first element. */
export async function findViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const options = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } };
  const result = await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`);
  return (result as { violations: Violation[] }).violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

/** How many pixels the page is wider than its window. */
export const overflowOf = async (page: Page): Promise<number> =>
  Number(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'));

/** Keeps a picture of the whole page in the folder `LETHE_SCREENSHOTS`, when that is set. */
export async function takePicture(page: Page, name: string): Promise<void> {
  const folder = process.env.LETHE_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: 'disabled' });
}
