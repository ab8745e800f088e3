import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { legalHistory, oneMailEach } from '../harness/checks.ts';
import { FAULTS } from '../harness/faults.ts';
import { FrontendFrames, isMoment, statementOf } from '../harness/frames.ts';
import { readOptions, seedOf } from '../harness/options.ts';
import { randomFrom } from '../harness/random.ts';
import { summary } from '../harness/report.ts';
import type { Outcome } from '../harness/run.ts';
import { scheduleOf } from '../harness/schedule.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });

describe('a seed', () => {
  it('gives the same draws and the same schedule, each time', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const draw = () => Array.from({ length: 20 }, randomFrom(seed).fork().integer.bind(null, 0, 1e9));
        expect(draw()).toEqual(draw());
        expect(scheduleOf(seed, FAULTS)).toEqual(scheduleOf(seed, FAULTS));
      }),
    );
  });

  it('draws every fault sooner or later, and at most one that needs servers of its own', () => {
    const all = Array.from({ length: 400 }, (_, seed) => scheduleOf(seed, FAULTS));
    const drawn = new Set(all.flatMap((schedule) => schedule.faults.map((f) => f.fault)));
    expect([...drawn].sort()).toEqual(FAULTS.map((f) => f.name).sort());
    for (const { faults, workers, victims } of all) {
      expect(faults.filter((f) => FAULTS.find((known) => known.name === f.fault)?.cluster).length).toBeLessThan(2);
      for (const { trigger } of faults) if ('process' in trigger) expect(trigger.process).toBeLessThanOrEqual(workers);
      expect(Math.max(...victims.map((v) => v.posts))).toBeGreaterThanOrEqual(6_000);
    }
    expect(new Set(all.map((s) => s.workers))).toEqual(new Set([1, 2, 4, 8]));
  });

  it('is given, drawn, or counted up from the first', () => {
    const given = readOptions(['--seed', '7', '--minutes', '3']);
    expect([0, 1, 2].map((n) => seedOf(given, n))).toEqual([7, 8, 9]);
    expect(given).toMatchObject({ minutes: 3, runs: Number.POSITIVE_INFINITY });
    const listed = readOptions(['--seeds', '5,new']);
    expect(listed.runs).toBe(2);
    expect(seedOf(listed, 0)).toBe(5);
    expect(readOptions([])).toMatchObject({ minutes: 2 });
  });
});

const message = (type: string, body: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + body.length);
  return Buffer.concat([Buffer.from(type), length, body]);
};
const query = (text: string) => message('Q', Buffer.from(`${text}\0`));
const parse = (text: string) => message('P', Buffer.concat([Buffer.from(`s1\0${text}\0`), Buffer.alloc(2)]));
const startup = message('', Buffer.concat([Buffer.from([0, 3, 0, 0]), Buffer.from('user\0postgres\0\0')]));
const ssl = message('', Buffer.from([4, 210, 22, 47]));

describe('the frontend protocol', () => {
  it('is cut into its messages, however it arrives', () => {
    const sent = [
      startup,
      message('p', Buffer.from('secret\0')),
      query('begin'),
      parse('DELETE FROM x'),
      query('commit'),
    ];
    const all = Buffer.concat(sent);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: all.length }), { maxLength: 40 }), (cuts) => {
        const frames = new FrontendFrames();
        const ends = [...new Set([0, ...cuts, all.length])].sort((a, b) => a - b);
        const received = ends.slice(1).flatMap((end, i) => frames.push(all.subarray(ends[i], end)));
        expect(received.map((f) => f.bytes)).toEqual(sent);
        expect(received.map((f) => f.type)).toEqual(['start', 'p', 'Q', 'P', 'Q']);
      }),
    );
  });

  it('may ask for encryption first, and is refused when it is another one', () => {
    const frames = new FrontendFrames();
    expect(frames.push(Buffer.concat([ssl, startup, query('x')])).map((f) => f.type)).toEqual(['start', 'start', 'Q']);
    expect(() => new FrontendFrames().push(Buffer.from([0, 0, 0, 1, 9]))).toThrow(/not the frontend protocol/);
  });

  it('tells the moments apart that a fault waits for', () => {
    const frames = new FrontendFrames();
    const [start, ...rest] = frames.push(
      Buffer.concat([
        startup,
        query('begin'),
        parse('WITH p AS (x) DELETE FROM "posts"'),
        query('COMMIT'),
        message('S', Buffer.alloc(0)),
      ]),
    );
    expect(start && isMoment(start, 'message')).toBe(false);
    expect(rest.map(statementOf)).toEqual(['begin', 'WITH p AS (x) DELETE FROM "posts"', 'COMMIT', undefined]);
    const met = (moment: Parameters<typeof isMoment>[1]) => rest.map((frame) => isMoment(frame, moment));
    expect(met('message')).toEqual([true, true, true, true]);
    expect(met('statement')).toEqual([true, true, true, false]);
    expect(met('commit')).toEqual([false, false, true, false]);
    expect(met('delete')).toEqual([false, true, false, false]);
  });
});

describe('what is checked without a database', () => {
  const requested = { type: 'erasure.requested', data: {} };
  const happened = (type: string, from: string | null) => ({ type: `erasure.${type}`, data: { from } });
  const whole = [
    requested,
    happened('scheduled', null),
    happened('running', 'scheduled'),
    happened('completed', 'running'),
  ];

  it('a history is legal and complete', () => {
    expect(legalHistory([...whole, { type: 'mail.sent', data: {} }], 'completed')).toEqual([]);
    expect(legalHistory(whole.slice(1), 'completed').join()).toContain('the first event');
    expect(legalHistory(whole, 'stalled').join()).toContain('the events end in completed');
    expect(legalHistory([...whole.slice(0, 2), ...whole.slice(3)], 'completed').join()).toMatch(
      /came from running.*illegal transition scheduled → completed/,
    );
  });

  it('each mail comes once', () => {
    const mail = (subject: string) => ({ to: 'a@example.com', subject, text: '' });
    const done = mail('Your account has been deleted');
    const received = mail('We have received your request to delete your account');
    expect(oneMailEach([done, received], 'a@example.com', 'scheduled')).toEqual([]);
    expect(oneMailEach([done], 'a@example.com', 'immediate')).toEqual([]);
    expect(oneMailEach([done, done, received], 'a@example.com', 'scheduled')).toHaveLength(1);
    expect(oneMailEach([], 'a@example.com', 'scheduled')).toHaveLength(2);
    expect(oneMailEach([done, received], 'a@example.com', 'immediate')).toHaveLength(1);
  });

  it('the last line counts, and names the seeds that failed', () => {
    const outcome = (seed: number, violations: string[]) =>
      ({ seed, violations, faults: 3, kills: 1 }) as unknown as Outcome;
    expect(summary([outcome(1, [])])).toBe('1 runs, 3 faults, 1 kills, 0 failures');
    expect(summary([outcome(1, ['x']), outcome(2, []), outcome(3, ['y'])])).toBe(
      '3 runs, 9 faults, 3 kills, 2 failures (seeds 1, 3)',
    );
  });
});
