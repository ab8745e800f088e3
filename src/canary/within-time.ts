import type { AskedLocation } from '../locations/asked.ts';
import { sanitize } from '../store/sql-errors.ts';

/**
 * Asks a partner about test data. Whatever it does, an answer comes within twice the time of one call: `late` says in
 * words why there is none.
 */
export async function withinTime<T>(
  stopping: AbortSignal,
  { pacing: { timeoutMs } }: Pick<AskedLocation, 'pacing'>,
  ask: (signal: AbortSignal) => Promise<T>,
  late: (words: string) => T,
): Promise<T> {
  const ending = new AbortController();
  const signal = AbortSignal.any([stopping, ending.signal]);
  let timer: NodeJS.Timeout | undefined;
  let stop = () => {};
  const over = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late(`no answer within ${(2 * timeoutMs) / 1000} s`)), 2 * timeoutMs);
    stop = () => resolve(late('Lethe was stopped before the answer came'));
    stopping.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([ask(signal), over]);
  } catch (error) {
    // A message may quote what was said.
    return late(`it could not be asked (${sanitize(error).code})`);
  } finally {
    clearTimeout(timer);
    // One process asks as long as it lives.
    stopping.removeEventListener('abort', stop);
    ending.abort();
  }
}
