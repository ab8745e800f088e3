import { setTimeout as pause } from 'node:timers/promises';
import type { Asked } from './options.ts';

const PAUSES_MS = [200, 1_000, 5_000, 15_000, 30_000];
const TIMEOUT_MS = 10_000;

/** Lethe refuses the acknowledgement, and would refuse it again: the token is of another event, or of an older secret. */
export class AcknowledgementRefused extends Error {
  constructor(status: number) {
    super(`the acknowledgement was refused (${status})`);
  }
}

/**
 * Tells Lethe that an event is done: `POST acknowledge.url` with the event's own token. Tries until Lethe has answered, or the
 * signal comes. Throws `AcknowledgementRefused` for an answer that another try would not change.
 */
export async function acknowledgeOverHttp(asked: Asked, status: 'erased' | 'not_found', signal: AbortSignal) {
  for (let tries = 0; ; tries++) {
    signal.throwIfAborted();
    const answered = await post(asked, status, signal).catch(() => null);
    if (answered !== null && answered < 300) return;
    // Of what was given up or finished meanwhile Lethe says so, and needs nothing more.
    if (answered === 404 || answered === 409 || answered === 410) return;
    if (answered !== null && answered >= 400 && answered < 500 && answered !== 408 && answered !== 429)
      throw new AcknowledgementRefused(answered);
    const ms = PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)] as number;
    await pause(ms * (0.8 + 0.4 * Math.random()), undefined, { signal });
  }
}

async function post({ task, acknowledge }: Asked, status: string, signal: AbortSignal): Promise<number> {
  const response = await fetch(acknowledge.url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${acknowledge.token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ task, status }),
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  await response.body?.cancel();
  return response.status;
}
