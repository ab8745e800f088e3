import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Asked } from './options.ts';

/** An entry of a stream: its id, then names and values in turn. */
export type Entry = [id: string, fields: string[] | null];

/** What an entry is: an event for this partner, one for another, or nothing that can be understood. */
export type Read = { kind: 'event'; asked: Asked } | { kind: 'other' } | { kind: 'broken'; words: string };

/** Reads one entry. With a secret, an event whose signature is not good is broken. */
export function readEvent([, fields]: Entry, partner: string | undefined, secret: string | undefined): Read {
  const named = new Map<string, string>();
  for (let at = 0; at + 1 < (fields?.length ?? 0); at += 2)
    named.set(fields?.[at] as string, fields?.[at + 1] as string);
  const body = named.get('event');
  if (body === undefined) return { kind: 'broken', words: 'it has no field event' };
  if (partner !== undefined && named.get('partner') !== partner) return { kind: 'other' };
  if (secret !== undefined && !isSigned(named, body, secret))
    return { kind: 'broken', words: 'its signature is not good' };
  const asked = parse(body);
  if (!asked) return { kind: 'broken', words: 'it is not an event of Lethe' };
  if (partner !== undefined && asked.partner !== partner) return { kind: 'broken', words: 'it is for another partner' };
  return { kind: 'event', asked };
}

function parse(body: string): Asked | null {
  try {
    const { specversion, type, id, data } = JSON.parse(body) as Record<string, unknown> & { data: Partial<Asked> };
    const whole =
      specversion === '1.0' &&
      type === 'lethe.erasure.requested' &&
      typeof id === 'string' &&
      data?.task === id &&
      typeof data.account === 'object' &&
      typeof data.acknowledge?.url === 'string' &&
      typeof data.acknowledge.token === 'string';
    return whole ? (data as Asked) : null;
  } catch {
    return null;
  }
}

/**
 * Standard Webhooks 1.0.0, `v1`: HMAC-SHA256 of `id.timestamp.body` with one of the secrets. How old it is does not count: an
 * event may wait in a stream for days.
 */
function isSigned(named: ReadonlyMap<string, string>, body: string, secrets: string): boolean {
  const content = `${named.get('webhook-id')}.${named.get('webhook-timestamp')}.${body}`;
  const given = (named.get('webhook-signature') ?? '').split(' ');
  let good = false;
  for (const secret of secrets.split(/\s+/).filter(Boolean)) {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    const expected = Buffer.from(`v1,${createHmac('sha256', key).update(content).digest('base64')}`);
    for (const one of given.map((text) => Buffer.from(text)))
      good = (one.length === expected.length && timingSafeEqual(one, expected)) || good;
  }
  return good;
}
