import type { Answer } from '../asked.ts';
import type { Refusal } from './store.ts';
import { asksForPause, codeOf, PAUSE_MS } from './troubles.ts';

/** Codes that are named; others are counted. */
const NAMED = 5;

const count = new Intl.NumberFormat('en-US');

/** What a store refused, by its codes and never by a key. It may have been asked for only a part of what is left. */
export function laterFor(refused: readonly Pick<Refusal, 'code'>[]): Answer {
  const byCode = new Map<string, number>();
  for (const { code } of refused) {
    const named = codeOf(code) ?? 'an unknown code';
    byCode.set(named, (byCode.get(named) ?? 0) + 1);
  }
  const codes = [...byCode].slice(0, NAMED).map(([code, files]) => `${code} (${count.format(files)})`);
  const words = `it would not delete ${count.format(refused.length)} ${refused.length === 1 ? 'file' : 'files'}: ${codes.join(', ')}`;
  const pause = [...byCode.keys()].some(asksForPause) ? { afterMs: PAUSE_MS } : {};
  return { kind: 'later', words, down: false, ...pause };
}
