import { randomUUID } from 'node:crypto';
import { CloudEvent, HTTP } from 'cloudevents';
import { describe, expect, it } from 'vitest';
import {
  acknowledgementSchema,
  buildMessage,
  MESSAGE_TYPE,
  messageSchema,
  type Said,
} from '../../src/partners/message.ts';

const id = randomUUID();
const call: Said = {
  id,
  erasureId: randomUUID(),
  location: 'search',
  account: { tenant: 'a,b', id: '007' },
  requestedAt: new Date('2026-01-02T03:04:05.678Z'),
  values: {},
  keys: null,
};
const asking = { publicUrl: 'https://lethe.example/below/', tokenOf: (of: string) => `token of ${of}` };

describe('the message to a partner', () => {
  it('is a CloudEvents message as their own library reads it', () => {
    const message = buildMessage({ ...call, keys: ['a', 'b'], values: { customer: null } }, asking);
    const read = HTTP.toEvent({ headers: { 'content-type': MESSAGE_TYPE }, body: JSON.stringify(message) });
    expect(read).toBeInstanceOf(CloudEvent);
    const event = read as CloudEvent<Record<string, unknown>>;
    expect(event.validate()).toBe(true);
    expect(event).toMatchObject({
      specversion: '1.0',
      id,
      source: 'https://lethe.example/below',
      type: 'lethe.erasure.requested',
      time: '2026-01-02T03:04:05.678Z',
      datacontenttype: 'application/json',
    });
    expect(event.data).toEqual({
      task: id,
      erasure: call.erasureId,
      partner: 'search',
      account: { tenant: 'a,b', id: '007' },
      requestedAt: '2026-01-02T03:04:05.678Z',
      keys: ['a', 'b'],
      values: { customer: null },
      acknowledge: { url: `https://lethe.example/below/v1/tasks/${id}/ack`, token: `token of ${id}` },
    });
  });

  it('leaves out what the call does not have, and fits its schema', () => {
    const message = buildMessage(call, asking);
    expect(Object.keys(message.data)).toEqual(['task', 'erasure', 'partner', 'account', 'requestedAt', 'acknowledge']);
    expect(messageSchema.parse(message)).toEqual(message);
  });

  it('is refused with another type, another version, or more than a thousand keys', () => {
    const message = buildMessage(call, asking);
    expect(messageSchema.safeParse({ ...message, type: 'other' }).success).toBe(false);
    expect(messageSchema.safeParse({ ...message, specversion: '0.3' }).success).toBe(false);
    const keys = Array.from({ length: 1001 }, (_, n) => `${n}`);
    expect(messageSchema.safeParse({ ...message, data: { ...message.data, keys } }).success).toBe(false);
    expect(messageSchema.safeParse({ ...message, data: { ...message.data, keys: keys.slice(1) } }).success).toBe(true);
  });

  it('is acknowledged with one of three words', () => {
    expect(acknowledgementSchema.parse({ task: id, status: 'erased', more: 1 })).toEqual({
      task: id,
      status: 'erased',
    });
    expect(acknowledgementSchema.safeParse({ task: id, status: 'done' }).success).toBe(false);
    expect(acknowledgementSchema.safeParse({ status: 'erased' }).success).toBe(false);
  });
});
