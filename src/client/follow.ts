import { createParser } from 'eventsource-parser';
import type { Erasure, State } from '../http/schemas.ts';
import { LetheProblem } from './problem.ts';
import { askBearer, type Door, send } from './send.ts';

export type FollowOptions = {
  signal?: AbortSignal | undefined;
  /** First pause before connecting again, in milliseconds; it doubles up to `maxDelayMs`. */
  minDelayMs?: number;
  maxDelayMs?: number;
  /** A stream that says nothing for so long is dead: Lethe sends a sign of life every 15 seconds. */
  quietMs?: number;
};

const FINAL: readonly State[] = ['completed', 'cancelled'];
const EVENTS: readonly string[] = ['snapshot', 'progress', 'state'];

/**
 * Follows an erasure: gives it as it is now, and again whenever it changed; ends after a final state.
 * Connects again, with a growing pause, whenever the stream breaks off, Lethe is away, or asks to wait.
 * Throws `LetheProblem` where trying again is no use, and the signal's reason when it aborts.
 */
export async function* follow(
  door: Door,
  erasureId: string,
  options: FollowOptions = {},
): AsyncGenerator<Erasure, void, void> {
  const { signal, minDelayMs = 1_000, maxDelayMs = 30_000, quietMs = 45_000 } = options;
  let failures = 0;
  let last = '';
  for (;;) {
    let wait = 0;
    // Outside: that somebody is signed out is the caller's to know, not a connection to try again.
    const opened = { ...door, bearer: await askBearer(door) };
    try {
      for await (const text of readEvents(opened, erasureId, quietMs, signal)) {
        failures = 0;
        // After connecting again the snapshot is often what was said last.
        if (text === last) continue;
        last = text;
        const erasure = JSON.parse(text) as Erasure;
        yield erasure;
        if (FINAL.includes(erasure.state)) return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LetheProblem && error.status < 500 && error.status !== 429) throw error;
      if (error instanceof LetheProblem) wait = (error.retryAfter ?? 0) * 1000;
    }
    const backoff = Math.min(maxDelayMs, minDelayMs * 2 ** failures++);
    // Everybody who was cut off by the same restart must not come back at the same moment.
    await pause(Math.max(wait, backoff * (0.5 + 0.5 * Math.random())), signal);
  }
}

/** The data of one connection's events, until it ends. Throws when it is silent for `quietMs`. */
async function* readEvents(
  door: Door,
  erasureId: string,
  quietMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, void> {
  const connection = new AbortController();
  const abort = () => connection.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => connection.abort(new Error('the event stream went silent')), quietMs);
  };
  try {
    heard();
    const response = await send(door, 'GET', `/v1/erasures/${encodeURIComponent(erasureId)}/events`, {
      headers: { Accept: 'text/event-stream' },
      signal: connection.signal,
    });
    if (!response.body) return;
    const found: string[] = [];
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (EVENTS.includes(event ?? '')) found.push(data);
      },
    });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      parser.feed(decoder.decode(value, { stream: true }));
      yield* found.splice(0);
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    // Also when the caller has seen enough: the connection would stay open.
    connection.abort();
  }
}

const pause = (ms: number, signal: AbortSignal | undefined) =>
  new Promise<void>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(done, ms);
    function done() {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }
    function aborted() {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', aborted, { once: true });
  });
