import { v7 as uuidv7 } from 'uuid';
import { buildMessage } from '../../src/partners/message.ts';
import { signMessage } from '../../src/partners/sign.ts';
import { until } from './until.ts';
import type { Answer, Call } from './world.ts';

export const PARTNER_SECRET = `whsec_${Buffer.from('p'.repeat(32)).toString('base64')}`;
export const FIRST = 'https://first.example.com';

type Made = {
  id?: string;
  account: string | Record<string, string>;
  requestedAt?: Date;
  source?: string;
  /** Members of `data` that are other than they should be. */
  data?: object;
};

/** A message as a first Lethe sends it. */
export function messageOf({ id = uuidv7(), account, requestedAt = new Date(), source = FIRST, data }: Made) {
  const message = buildMessage(
    {
      id,
      erasureId: uuidv7(),
      location: 'second',
      account: typeof account === 'string' ? { id: account } : account,
      requestedAt,
      values: {},
      keys: null,
    },
    { publicUrl: source, tokenOf: () => `v1.token-of-${id}` },
  );
  return { ...message, data: { ...message.data, ...data } };
}

/**
 * Sends a message as its sender signs it, and at its time; either can be made wrong. Sends it again while a busy machine
 * answers that the database was late.
 */
export function sendMessage(
  call: Call,
  message: { id: string },
  { secret = PARTNER_SECRET, at = new Date(), signedId = message.id, said = JSON.stringify(message) } = {},
): Promise<Answer> {
  const headers = signMessage(secret, { id: signedId, at, body: JSON.stringify(message) });
  return until('the database is in time', async () => {
    const answer = await call('POST', '/v1/partner/erasures', {
      auth: null,
      raw: said,
      headers: { 'Content-Type': 'application/cloudevents+json', ...headers },
    });
    return answer.status === 503 ? null : answer;
  });
}
