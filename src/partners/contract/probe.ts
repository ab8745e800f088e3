import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { retryAfter } from '../answer.ts';
import { buildLook, buildPlant } from '../canary.ts';
import { buildMessage, MESSAGE_TYPE } from '../message.ts';
import { type Answered, openConnections, type Unanswered } from '../request.ts';
import { signMessage } from '../sign.ts';
import type { Listener } from './acknowledgements.ts';
import type { Target } from './target.ts';

/** How a message is other than it should be. `byMs`: when it is signed, from now. */
export type Variation = { readonly how?: 'unsigned' | 'other secret' | 'other body'; readonly byMs?: number };

/** Sends the messages of a test. */
export type Probe = ReturnType<typeof openProbe>;

/** A partner that asks for a longer pause, or again and again, is not waited for. */
const LONGEST_PAUSE_MS = 30_000;
const MOST_PAUSES = 3;
const PARTNER = 'test';

/** Private addresses are allowed at the hosts that were typed, and nowhere else. */
export function openProbe(target: Target, listener: Listener, signal: AbortSignal) {
  const typed = [target.url, target.canary].filter((url) => url !== undefined);
  const connections = openConnections({ privateHosts: typed.map((url) => new URL(url).hostname), most: 1 });
  const { publicUrl } = listener;

  /** Sends it, and again after each pause that is asked for. */
  async function send(
    to: 'url' | 'canary',
    message: { readonly id: string },
    variation: Variation = {},
  ): Promise<Answered | Unanswered> {
    for (let pauses = 0; ; pauses++) {
      const answer = await sendOnce(to, message, variation);
      const isPause = answer.kind === 'answered' && (answer.status === 429 || answer.status === 503);
      const afterMs = isPause ? retryAfter(answer.headers) : undefined;
      if (afterMs === undefined || afterMs > LONGEST_PAUSE_MS || pauses >= MOST_PAUSES) return answer;
      await pause(afterMs, signal);
    }
  }

  function sendOnce(to: 'url' | 'canary', message: { readonly id: string }, { how, byMs = 0 }: Variation) {
    const signed = JSON.stringify(message);
    const secret = how === 'other secret' ? `whsec_${randomBytes(32).toString('base64')}` : target.secret;
    const headers: Record<string, string> = signMessage(secret, {
      id: message.id,
      at: new Date(Date.now() + byMs),
      body: signed,
    });
    if (how === 'unsigned') delete headers['webhook-signature'];
    return connections.request({
      method: 'POST',
      url: target[to] as string,
      headers: { 'content-type': MESSAGE_TYPE, ...headers },
      // Whoever has seen one message would so have another account erased.
      body: how === 'other body' ? signed.replace(/("account":\{"[^"]*":")/, '$10') : signed,
      timeoutMs: target.timeoutMs,
      signal,
    });
  }

  return {
    send,
    /** The message of an erasure. Each has another id. */
    erasure: (account: Target['account'], requestedAt = new Date()) =>
      buildMessage(
        { id: uuidv7(), erasureId: uuidv7(), location: PARTNER, account, requestedAt, values: {}, keys: null },
        { publicUrl, tokenOf: listener.tokenOf },
      ),
    plant: (account: Target['account'], marker: string) =>
      buildPlant({ id: uuidv7(), partner: PARTNER, account, marker }, { publicUrl, at: new Date() }),
    look: (account: Target['account'], marker: string) =>
      buildLook({ id: uuidv7(), partner: PARTNER, account, marker }, { publicUrl, at: new Date() }),
    close: connections.close,
  };
}

/** Waits, unless the test is stopped. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
