import type { Page } from './read-day.ts';

/** A time as it stands in the lines: `2026-11-27T09:30:00.000123Z`. The second is the dearest part, and often the same. */
function timePrinter(): (micros: number) => string {
  let second = Number.NaN;
  let printed = '';
  return (micros) => {
    const whole = Math.floor(micros / 1e6);
    if (whole !== second) {
      second = whole;
      printed = new Date(whole * 1000).toISOString().slice(0, 20);
    }
    return `${printed}${String(micros - whole * 1e6).padStart(6, '0')}Z`;
  };
}

const requestedAt = timePrinter();
const erasedAt = timePrinter();

/** A page as newline-delimited JSON: a line for each erasure, with the columns in their order. */
export function printLines(page: Page): Buffer {
  let lines = '';
  for (let n = 0; n < page.rows; n++) {
    const digest = page.digests[n];
    // A digest is hexadecimal: nothing of it needs an escape.
    lines += `{"key":${JSON.stringify(page.keys[n])},"digest":${digest === null ? 'null' : `"${digest}"`},"requested_at":"${requestedAt(page.requestedAt[n] as number)}","erased_at":"${erasedAt(page.erasedAt[n] as number)}","locations":${page.locations[n]},"outcome":"erased"}\n`;
  }
  return Buffer.from(lines);
}
