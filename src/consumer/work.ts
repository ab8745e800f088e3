import { setTimeout as pause } from 'node:timers/promises';
import { AcknowledgementRefused } from './acknowledge.ts';
import type { Group } from './group.ts';
import type { Asked, Settings } from './options.ts';
import { type Entry, readEvent } from './read-event.ts';

/** After a stop, an acknowledgement gets so long. After that the event stays with the group. */
const LAST_MS = 10_000;

/**
 * Does what one entry asks for: handles the event, acknowledges it to Lethe, and only then takes it out of the group. Killed at
 * any moment, another consumer does it again.
 */
export async function work(group: Group, entry: Entry, settings: Settings): Promise<void> {
  const [id, fields] = entry;
  // Cut off meanwhile: Lethe publishes it again.
  if (fields === null) return group.done(id);
  const read = readEvent(entry, settings.partner, settings.secret);
  if (read.kind === 'other') return group.done(id);
  const bury = (reason: string) => {
    settings.onProblem(`an event goes to the dead letters: ${reason}`);
    return group.bury(settings.deadLetters, entry, reason);
  };
  if (read.kind === 'broken') return bury(read.words);
  const { asked } = read;
  if ((await group.deliveries(id)) > settings.tries) return bury('no consumer that had it came to an end');
  if (!(await group.lock(asked.task, settings.deadAfterMs))) return;
  const keeping = setInterval(() => {
    group
      .keep(id, asked.task, settings.deadAfterMs)
      .catch((error) => settings.onProblem('cannot keep an event', error));
  }, settings.deadAfterMs / 3);
  try {
    const status = await handleAgain(asked, settings);
    if (status === 'stopped') return;
    if (status === 'failed') return await bury(`it failed ${settings.tries} times`);
    await settings.acknowledge(asked, status, lastWord(settings.signal));
    await group.done(id);
  } catch (error) {
    if (error instanceof AcknowledgementRefused) return await bury(error.message);
    if (settings.signal.aborted) return;
    throw error;
  } finally {
    clearInterval(keeping);
    await group.unlock(asked.task).catch(() => {});
  }
}

/** Calls the handler until it succeeds, or the tries are used up, or the consumer stops between two of them. */
async function handleAgain(asked: Asked, settings: Settings): Promise<'erased' | 'not_found' | 'failed' | 'stopped'> {
  const { handle, tries, pausesMs, signal, onProblem } = settings;
  for (let tried = 1; ; tried++) {
    try {
      return (await handle(asked, signal)) === 'not_found' ? 'not_found' : 'erased';
    } catch (error) {
      onProblem(`an event failed (try ${tried} of ${tries})`, error);
    }
    if (tried >= tries) return 'failed';
    const ms = pausesMs[Math.min(tried, pausesMs.length) - 1] ?? 0;
    await pause(ms, undefined, { signal }).catch(() => {});
    if (signal.aborted) return 'stopped';
  }
}

/** Comes some time after the stop. */
function lastWord(stop: AbortSignal): AbortSignal {
  const last = new AbortController();
  const end = () => setTimeout(() => last.abort(), LAST_MS).unref();
  if (stop.aborted) end();
  else stop.addEventListener('abort', end, { once: true });
  return last.signal;
}
