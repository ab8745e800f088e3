import { type CloudEvent, HTTP } from 'cloudevents';
import { describe, expect, it } from 'vitest';
import { buildLook, buildPlant, lookSchema, plantSchema } from '../../src/partners/canary.ts';
import { readLooked, readPlanted } from '../../src/partners/canary-answer.ts';
import { MESSAGE_TYPE } from '../../src/partners/message.ts';
import type { Answered } from '../../src/partners/request.ts';

const TASK = '0190a0b0-0000-7000-8000-000000000001';
const ABOUT = { id: TASK, partner: 'search', account: { tenant: 'a,b', id: '007' }, marker: 'lethe-7' };
const SENT = { publicUrl: 'https://lethe.example/below/', at: new Date('2026-01-02T03:04:05.678Z') };
const answer = (status: number, body: unknown = '', more: Partial<Answered> = {}): Answered => ({
  kind: 'answered',
  status,
  headers: {},
  body: typeof body === 'string' ? body : JSON.stringify(body),
  cut: false,
  ...more,
});

describe('messages about test data', () => {
  it.each([
    ['lethe.canary.plant', buildPlant(ABOUT, SENT), plantSchema],
    ['lethe.canary.look', buildLook(ABOUT, SENT), lookSchema],
  ])('%s is a CloudEvents message as their own library reads it, and fits its schema', (type, message, schema) => {
    const read = HTTP.toEvent({ headers: { 'content-type': MESSAGE_TYPE }, body: JSON.stringify(message) });
    const event = read as CloudEvent<Record<string, unknown>>;
    expect(event.validate()).toBe(true);
    expect(event).toMatchObject({
      id: TASK,
      type,
      source: 'https://lethe.example/below',
      time: '2026-01-02T03:04:05.678Z',
    });
    expect(event.data).toEqual({ task: TASK, partner: 'search', account: ABOUT.account, marker: 'lethe-7' });
    expect(schema.parse(message)).toEqual(message);
  });

  it('tell, for planting, what the erasure will have of keys and values', () => {
    const message = buildPlant({ ...ABOUT, keys: ['a', 'b'], values: { customer: null } }, SENT);
    expect(message.data).toMatchObject({ keys: ['a', 'b'], values: { customer: null } });
    expect(plantSchema.parse(message)).toEqual(message);
    expect(buildPlant({ ...ABOUT, keys: [], values: {} }, SENT)).toEqual(buildPlant(ABOUT, SENT));
    const many = buildPlant({ ...ABOUT, keys: Array.from({ length: 1001 }, (_, n) => `${n}`) }, SENT);
    expect(plantSchema.parse(many).data.keys).toHaveLength(1000);
  });

  it('are none of the other type', () => {
    expect(plantSchema.safeParse(buildLook(ABOUT, SENT)).success).toBe(false);
    expect(lookSchema.safeParse(buildPlant(ABOUT, SENT)).success).toBe(false);
  });
});

describe('an answer about test data', () => {
  it('counts what was planted, and one thing where it says no number', () => {
    expect(readPlanted(answer(200, { task: TASK, status: 'planted', items: 3 }), TASK)).toEqual({
      kind: 'planted',
      items: 3,
      words: 'planted 3 items (200)',
    });
    expect(readPlanted(answer(200, { task: TASK, status: 'planted' }), TASK)).toMatchObject({ items: 1 });
  });

  it('says what is there', () => {
    for (const status of ['absent', 'present'])
      expect(readLooked(answer(200, { task: TASK, status }), TASK).kind).toBe(status);
  });

  it.each([
    ['204', answer(204)],
    ['202', answer(202)],
    ['200 with a page', answer(200, '<!doctype html>')],
    ['200 about another task', answer(200, { task: 'other', status: 'absent' })],
    ['200 without a task', answer(200, { status: 'absent' })],
    ['200 with the words of an erasure', answer(200, { task: TASK, status: 'erased' })],
    ['200 with words of no kind', answer(200, { task: TASK, status: 'gone', items: -1 })],
    ['200 that was cut off', answer(200, { task: TASK, status: 'absent' }, { cut: true })],
    [
      '200 that is compressed',
      answer(200, { task: TASK, status: 'absent' }, { headers: { 'content-encoding': 'gzip' } }),
    ],
    ['404', answer(404, { task: TASK, status: 'absent' })],
    ['410', answer(410)],
    ['429', answer(429)],
    ['500', answer(500, { task: TASK, status: 'absent' })],
  ])('says nothing with %s', (_, given) => {
    const [looked, planted] = [readLooked(given, TASK), readPlanted(given, TASK)];
    expect([looked.kind, planted.kind]).toEqual(['unknown', 'later']);
    for (const { words } of [looked, planted]) expect(words).toMatch(String(given.status));
  });
});
