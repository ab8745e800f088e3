import { describe, expect, it } from 'vitest';
import { CONTRACTS, QUEUES, readPayload } from '../../src/jobs/contracts.ts';

/**
 * Payloads as the version before this one adds them. Jobs wait in Redis while a deployment goes on: a
 * version that refuses one of these would fail work that was fine. Only a later version may drop a line.
 */
const BEFORE = [
  ['erasure.advance', { erasureId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10', step: 7 }],
  ['chunk.erase', { erasureId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10', chunkId: 51 }],
  ['mail.send', { notificationId: '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10' }],
  ['erasure.sweep', {}],
] as const;
const QUEUES_BEFORE = ['erasures', 'chunks', 'mail', 'housekeeping'];

describe('jobs of the version before', () => {
  it.each(BEFORE)('%s is read as it was added', (name, payload) => {
    expect(CONTRACTS[name].payload.parse(payload)).toEqual(payload);
  });

  it('wait in queues that this version consumes', () => {
    expect(QUEUES).toEqual(expect.arrayContaining(QUEUES_BEFORE));
    for (const [name] of BEFORE) expect(QUEUES_BEFORE).toContain(CONTRACTS[name].queue);
  });
});

describe('jobs of the next version', () => {
  it.each(BEFORE)('%s is read without the fields that this version does not know', (name, payload) => {
    expect(readPayload(name, { ...payload, hint: 'next' })).toEqual(payload);
    expect(readPayload(name, name === 'erasure.sweep' ? 'nothing' : { hint: 'next' })).toBeNull();
  });
});

describe('every job', () => {
  it.each(Object.entries(CONTRACTS))(
    '%s refuses what it does not know: personal data could ride along',
    (_, contract) => {
      expect(contract.payload.safeParse({ email: 'somebody@example.com' }).success).toBe(false);
    },
  );
});
