import type { Catalog } from '../../catalog/live/types.ts';
import { isFinal } from '../../erasure/model/states.ts';
import type { Seen } from '../../erasure/progress/look.ts';
import { type Audience, erasureFor, erasureResource } from '../bodies/representation.ts';

/** Milliseconds after which a browser comes back. */
const RETRY_MS = 2_000;
/** The id of the last event. A client that comes back with it has seen the end. */
export const END_ID = 'end';

/** An erasure as it was read at one moment, and the events that tell it. All viewers share the bytes. */
export type Reading = {
  /** When it was last read so: `performance.now()` of the start. */
  at: number;
  readonly final: boolean;
  /** Equal when there is nothing new to tell. The estimate is left out: it moves with the clock alone. */
  readonly content: string;
  /** State and hold. */
  readonly mark: string;
  /** The event for a viewer that has seen `seen`; `last`: the stream ends with it. */
  since: (seen: Reading | undefined, audience: Audience) => { chunk: Uint8Array<ArrayBuffer>; last: boolean };
};

/** Makes a reading of what was read at `at`. The catalog says what users are told that their data is. */
export function createReading({ erasure, progress }: Seen, at: number, catalog: Pick<Catalog, 'locations'>): Reading {
  const chunks = new Map<string, Uint8Array<ArrayBuffer>>();
  const final = isFinal(erasure.state);
  const mark = `${erasure.state} ${erasure.heldAt?.getTime() ?? ''}`;
  // It is the administrator's view. So a change that only administrators see makes an event for others that says nothing new.
  const resource = erasureResource(erasure, { ...progress, etaSeconds: null }, true);
  const id = Date.now();
  const render = (event: string, audience: Audience) => {
    const lines = [
      ...(event === 'snapshot' ? [`retry: ${RETRY_MS}`] : []),
      `id: ${id}`,
      `event: ${event}`,
      `data: ${JSON.stringify(erasureFor(audience, catalog, erasure, progress))}`,
      '',
      ...(final ? [`id: ${END_ID}`, 'event: end', `data: ${JSON.stringify({ state: erasure.state })}`, ''] : []),
    ];
    return new TextEncoder().encode(`${lines.join('\n')}\n`);
  };
  return {
    at,
    final,
    content: JSON.stringify(resource),
    mark,
    since: (seen, audience) => {
      const event = seen === undefined ? 'snapshot' : seen.mark === mark ? 'progress' : 'state';
      const key = `${event} ${audience}`;
      const chunk = chunks.get(key) ?? render(event, audience);
      chunks.set(key, chunk);
      return { chunk, last: final };
    },
  };
}
