import { createParser } from 'eventsource-parser';
import type { Erasure, State } from '../http/bodies/schemas.ts';
import { LetheProblem } from './problem.ts';
import { askBearer, type Door, send } from './send.ts';

export type FollowOptions = {
  signal?: AbortSignal | undefined;
  /** First pause before connecting again, in milliseconds; it doubles up to `maxDelayMs`. */
  minDelayMs?: number;
  maxDelayMs?: number;
  /** A stream that says nothing for so many milliseconds is dead: Lethe sends a sign of life every 15 seconds. */
  quietMs?: number;
};

const FINAL: readonly State[] = ['completed', 'cancelled'];
const EVENTS: readonly string[] = ['snapshot', 'progress', 'state'];
/** After so many attempts a client that never reached Lethe has a wrong address, or CORS refuses it. */
const MOST_UNREACHED = 10;
/** No pause is longer: a timer that is set to more than 24 days ends at once. */
const LONGEST_PAUSE_MS = 3_600_000;

/** Trying again is no use. */
const isRefusal = (error: unknown): error is LetheProblem =>
  error instanceof LetheProblem && error.status < 500 && error.status !== 429;

/** `text`: the erasure's JSON; `live`: it came over a stream. `broken`: why nothing more comes. */
type Heard = { erasure: Erasure; text: string; live: boolean } | { broken: unknown };

/**
 * Follows an erasure: gives it as it is now, and again whenever it changed; ends after a final state.
 * Connects again, with a growing pause, whenever the stream breaks off, Lethe is away, or asks to wait. Where Lethe has
 * no room for a stream, it gives what the status says.
 * Throws `LetheProblem` where trying again is no use, what `fetch` throws when Lethe was never reached, and the
 * signal's reason when it aborts.
 */
export async function* follow(
  door: Door,
  erasureId: string,
  options: FollowOptions = {},
): AsyncGenerator<Erasure, void, void> {
  const { signal, minDelayMs = 1_000, maxDelayMs = 30_000, quietMs = 45_000 } = options;
  let failures = 0;
  let reached = false;
  let last = '';
  for (;;) {
    let broken: unknown;
    // An error here reaches the caller: whoever is signed out must know. It is no connection to try again.
    const opened = { ...door, bearer: await askBearer(door) };
    for await (const heard of listen(opened, erasureId, quietMs, signal)) {
      if ('broken' in heard) {
        broken = heard.broken;
        continue;
      }
      reached = true;
      if (heard.live) failures = 0;
      // After connecting again the snapshot is often what was said last.
      if (heard.text === last) continue;
      last = heard.text;
      yield heard.erasure;
      if (FINAL.includes(heard.erasure.state)) return;
    }
    signal?.throwIfAborted();
    if (isRefusal(broken)) throw broken;
    const problem = broken instanceof LetheProblem ? broken : undefined;
    reached ||= problem !== undefined;
    failures++;
    if (!reached && failures >= MOST_UNREACHED) throw broken ?? new Error('what answers is no event stream');
    const backoff = Math.min(maxDelayMs, minDelayMs * 2 ** (failures - 1));
    // Clients that the same restart cut off must not all come back at the same moment.
    const wait = Math.max((problem?.retryAfter ?? 0) * 1000, backoff * (0.5 + 0.5 * Math.random()));
    await pause(Math.min(wait, LONGEST_PAUSE_MS), signal);
  }
}

/**
 * What one connection says, until it ends. It breaks when it is silent for `quietMs`. Why it broke is given, not
 * thrown: it must not be confused with what the caller throws into the iteration.
 */
async function* listen(
  door: Door,
  erasureId: string,
  quietMs: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Heard, void, void> {
  const connection = new AbortController();
  const abort = () => connection.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => connection.abort(new Error('the event stream went silent')), quietMs);
  };
  const ask = (what: string, headers: Record<string, string> = {}) => {
    alive();
    const path = `/v1/erasures/${encodeURIComponent(erasureId)}${what}`;
    return send(door, 'GET', path, { headers, signal: connection.signal });
  };
  try {
    const response = await ask('/events', { Accept: 'text/event-stream' });
    for await (const text of eventsIn(response, alive)) yield { erasure: JSON.parse(text), text, live: true };
  } catch (error) {
    if (!(error instanceof LetheProblem && error.status === 429)) yield { broken: error };
    else {
      try {
        const text = await (await ask('')).text();
        yield { erasure: JSON.parse(text), text, live: false };
        yield { broken: error };
      } catch (refused) {
        yield { broken: isRefusal(refused) ? refused : error };
      }
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    // Also when the caller has seen enough: the connection would stay open.
    connection.abort();
  }
}

/** The data of a response's events. `alive` is called whenever something arrived. */
async function* eventsIn(response: Response, alive: () => void): AsyncGenerator<string, void, void> {
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
    alive();
    parser.feed(decoder.decode(value, { stream: true }));
    yield* found.splice(0);
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
