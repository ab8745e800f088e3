import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classify, retryAfter } from '../../src/partners/answer.ts';
import type { Answered } from '../../src/partners/request.ts';

const TASK = '0190a0b0-0000-7000-8000-000000000001';
const NOW = new Date('2026-01-02T03:04:05Z');
const answer = (status: number, body: unknown = '', more: Partial<Answered> = {}): Answered => ({
  kind: 'answered',
  status,
  headers: {},
  body: typeof body === 'string' ? body : JSON.stringify(body),
  cut: false,
  ...more,
});
const kindOf = (given: Answered) => classify(given, TASK, NOW).kind;

describe('an answer of a partner', () => {
  it.each([
    ['204', answer(204)],
    ['200 that says erased', answer(200, { task: TASK, status: 'erased' })],
    ['200 that says it never had it', answer(200, { task: TASK, status: 'not_found', errors: [] })],
  ])('is done: %s', (_, given) => expect(kindOf(given)).toBe('done'));

  it.each([
    ['202', answer(202)],
    ['202 with anything', answer(202, '<html>')],
    ['409', answer(409, { status: 'already scheduled' })],
  ])('will be acknowledged: %s', (_, given) => expect(kindOf(given)).toBe('accepted'));

  it.each([
    ['200 with nothing', answer(200)],
    ['200 with a page', answer(200, '<!doctype html><html></html>')],
    ['200 that echoes nothing', answer(200, { status: 'erased' })],
    ['200 about another task', answer(200, { task: 'other', status: 'erased' })],
    ['200 with another word', answer(200, { task: TASK, status: 'ok' })],
    ['200 that was cut off', answer(200, { task: TASK, status: 'erased' }, { cut: true })],
    [
      '200 that is compressed',
      answer(200, { task: TASK, status: 'erased' }, { headers: { 'content-encoding': 'gzip' } }),
    ],
    ['200 that is null', answer(200, 'null')],
    ['200 that is a list', answer(200, [{ task: TASK, status: 'erased' }])],
    ['201', answer(201, { task: TASK, status: 'erased' })],
    ['206', answer(206, { task: TASK, status: 'erased' })],
    ['a redirect', answer(302)],
    ['401', answer(401)],
    ['404', answer(404)],
    ['404 that says not found', answer(404, { task: TASK, status: 'not_found' })],
    ['410', answer(410)],
    ['429', answer(429)],
    ['500', answer(500, { task: TASK, status: 'erased' })],
    ['503', answer(503)],
  ])('is later, and counts for the circuit: %s', (_, given) => {
    expect(classify(given, TASK, NOW)).toMatchObject({ kind: 'later', down: true });
  });

  it.each([
    ['200 with an error inside', answer(200, { task: TASK, status: 'erased', error: 'x' })],
    ['200 with errors inside', answer(200, { task: TASK, status: 'erased', errors: [{}] })],
    ['200 that says it failed', answer(200, { task: TASK, status: 'failed', reason: 'r' })],
    ['400', answer(400)],
    ['413', answer(413)],
    ['422', answer(422)],
    ['429 with a pause', answer(429, '', { headers: { 'retry-after': '7' } })],
    ['503 with a pause', answer(503, '', { headers: { 'retry-after': '7' } })],
  ])('is later, and says nothing of others: %s', (_, given) => {
    expect(classify(given, TASK, NOW)).toMatchObject({ kind: 'later', down: false });
  });

  it('never means erased unless it is 204, or 200 with exactly that; its words hold nothing of it', () => {
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc.record(
        {
          task: fc.constantFrom(TASK, 'secret-value', null, 7),
          status: fc.constantFrom('erased', 'not_found', 'failed', 'secret-value', true),
          error: fc.constantFrom('secret-value', null),
        },
        { requiredKeys: [] },
      ),
    );
    const status = fc.oneof(fc.constant(200), fc.integer({ min: 100, max: 599 }));
    fc.assert(
      fc.property(status, body, fc.boolean(), (code, given, cut) => {
        const said = classify(answer(code, given, { cut }), TASK, NOW);
        expect(said.words).not.toContain('secret-value');
        expect(said.words.length).toBeLessThanOrEqual(500);
        if (said.kind !== 'done' || code === 204) return;
        expect([code, cut]).toEqual([200, false]);
        const parsed = typeof given === 'string' ? JSON.parse(given) : given;
        expect(parsed.task).toBe(TASK);
        expect(['erased', 'not_found']).toContain(parsed.status);
        expect(parsed.error ?? null).toBeNull();
      }),
      { numRuns: 3000 },
    );
  });
});

describe('the pause that a partner asks for', () => {
  const pause = (text: string, date?: string) => retryAfter({ 'retry-after': text, date }, NOW);

  it('is seconds, or a date', () => {
    expect(pause('0')).toBe(0);
    expect(pause('120')).toBe(120_000);
    expect(pause('Fri, 02 Jan 2026 03:05:05 GMT')).toBe(60_000);
    expect(pause('Fri, 02 Jan 2026 03:03:05 GMT')).toBe(0);
    expect(retryAfter({}, NOW)).toBeUndefined();
  });

  it('is by the clock of the partner, ten minutes apart from ours', () => {
    expect(pause('Fri, 02 Jan 2026 03:15:05 GMT', 'Fri, 02 Jan 2026 03:14:05 GMT')).toBe(60_000);
    expect(pause('Fri, 02 Jan 2026 02:55:05 GMT', 'Fri, 02 Jan 2026 02:54:05 GMT')).toBe(60_000);
  });

  it('is twelve hours at most, and none when it cannot be read', () => {
    expect(pause('999999999999')).toBe(12 * 3_600_000);
    expect(pause('soon')).toBeUndefined();
    expect(pause('-5')).toBeUndefined();
    expect(pause('10', 'no date')).toBe(10_000);
  });
});
