import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { withinTime } from '../../src/canary/within-time.ts';

const PARTNER = { pacing: { timeoutMs: 5 } } as Parameters<typeof withinTime>[1];
const never = () => new Promise<string>(() => {});

it('a partner that is asked about test data leaves nothing behind, whatever it does', async () => {
  const stopping = new AbortController();
  const ask = (by: () => Promise<string>) => withinTime(stopping.signal, PARTNER, by, (words) => words);
  expect(await ask(async () => 'absent')).toBe('absent');
  expect(await ask(never)).toBe('no answer within 0.01 s');
  expect(await ask(() => Promise.reject(new Error('of a person')))).toMatch(/^it could not be asked \(\w+\)$/);
  expect(getEventListeners(stopping.signal, 'abort')).toEqual([]);
  const open = ask(never);
  stopping.abort();
  expect(await open).toBe('Lethe was stopped before the answer came');
});
