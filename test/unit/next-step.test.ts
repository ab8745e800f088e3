import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STATES } from '../../src/erasure/model/states.ts';
import { clockWords, momentWords, spanWords, whoWords } from '../../src/http/support/words/moments.ts';
import { isHeld, isOverdue, nextStep } from '../../src/http/support/words/next-step.ts';

const NOW = new Date('2026-11-22T13:48:00Z');
const at = (text: string) => new Date(text);
const erasure = (change: Partial<Parameters<typeof nextStep>[0]> = {}) => ({
  state: 'scheduled',
  startsAt: at('2026-11-22T14:00:00Z'),
  dueAt: at('2026-12-22T13:00:00Z'),
  retryAt: null,
  newerAccountAt: null,
  heldAt: null,
  heldBy: null,
  probeAt: null,
  finishAttempts: 0,
  failures: 0,
  pass: 1,
  ...change,
});
type Mail = Parameters<typeof nextStep>[1]['mails'][number];
const mail = (change: Partial<Mail> = {}): Mail => ({
  kind: 'completed',
  state: 'pending',
  attempt: 0,
  nextAt: at('2026-11-22T13:48:15Z'),
  ...change,
});
const says = (change: Parameters<typeof erasure>[0], ahead: Partial<Parameters<typeof nextStep>[1]> = {}) =>
  nextStep(erasure(change), { mails: [], etaSeconds: null, ...ahead }, NOW);

describe('what happens next', () => {
  it.each<[string, string, Parameters<typeof says>[0], Parameters<typeof says>[1]?]>([
    ['a scheduled one', 'starts at 14:00 UTC, in 12 min', {}],
    [
      'one that the sweep has missed',
      'starts any moment: it was due at 13:00 UTC, 48 min ago',
      { startsAt: at('2026-11-22T13:00:00Z') },
    ],
    ['a running one', 'done in about 3 min', { state: 'running' }, { etaSeconds: 200 }],
    ['one that is nearly done', 'done in less than a minute', { state: 'running' }, { etaSeconds: 59 }],
    ['one that nobody can predict', 'is being deleted', { state: 'running' }],
    [
      'a second pass',
      'done in about 3 min, pass 2: rows had appeared meanwhile',
      { state: 'running', pass: 2 },
      { etaSeconds: 200 },
    ],
    [
      'one that waits for locks',
      'finishing, waits for locks of the application: 1 attempt so far',
      { state: 'running', finishAttempts: 1 },
      { etaSeconds: 1 },
    ],
    [
      'one whose steps fail',
      'tries again by itself: 3 steps in a row failed',
      { state: 'running', failures: 3, finishAttempts: 1 },
    ],
    ['an awaiting one', 'waits for partners to confirm', { state: 'awaiting' }],
    ['a stalled one without a retry', 'waits for a replay by an operator', { state: 'stalled' }],
    [
      'a stalled one',
      'retries at the first sweep after 19:00 UTC, in 5 h',
      { state: 'stalled', retryAt: at('2026-11-22T19:00:00Z') },
    ],
    [
      'a stalled one whose retry is due',
      'retries at the next sweep: it was due at 13:40 UTC, 8 min ago',
      { state: 'stalled', retryAt: at('2026-11-22T13:40:00Z') },
    ],
    [
      'one on hold',
      'on hold since 11:48 UTC, 2 h ago, by otto',
      { state: 'running', heldAt: at('2026-11-22T11:48:00Z'), heldBy: 'user:otto' },
    ],
    ['a finished one', 'nothing: it is finished', { state: 'completed' }],
    [
      'one that was undone on hold',
      'nothing: it was undone',
      { state: 'cancelled', heldAt: NOW, heldBy: 'account.hold' },
    ],
    ['one whose mail is on its way', 'mail pending', { state: 'completed' }, { mails: [mail()] }],
    [
      'one whose mail waits',
      'mail pending, next try at 14:48 UTC, in 60 min',
      { state: 'completed' },
      { mails: [mail({ attempt: 2, nextAt: at('2026-11-22T14:48:00Z') })] },
    ],
    [
      'one whose mail was refused',
      'mail failed: tell the user by other means',
      { state: 'completed' },
      { mails: [mail({ kind: 'received', state: 'sent' }), mail({ state: 'failed' })] },
    ],
    [
      'one whose mail is uncertain',
      'nobody knows whether the mail arrived: tell the user by other means',
      { state: 'completed' },
      { mails: [mail({ state: 'uncertain' })] },
    ],
    [
      'one that is probed later',
      'looked at once more after 23 Nov, 13:00 UTC',
      { state: 'completed', probeAt: at('2026-11-23T13:00:00Z') },
    ],
  ])('of %s: %s', (_, words, change, ahead) => {
    expect(says(change, ahead)).toBe(words);
  });

  it('is said for every state and any figures, without what only a program says', () => {
    const maybe = fc.option(fc.date({ noInvalidDate: true, min: at('2000-01-01'), max: at('2100-01-01') }));
    fc.assert(
      fc.property(
        fc.constantFrom(...STATES),
        maybe,
        maybe,
        fc.nat(50),
        fc.option(fc.nat()),
        (state, heldAt, retryAt, finishAttempts, etaSeconds) => {
          const words = says({ state, heldAt, retryAt, finishAttempts }, { etaSeconds });
          expect(words).toMatch(/^[a-z]/);
          expect(words).not.toMatch(/NaN|undefined|null|Invalid/);
        },
      ),
    );
  });
});

it('is overdue or on hold only while it is live', () => {
  const late = at('2026-11-22T13:47:59Z');
  expect(isOverdue({ state: 'stalled', dueAt: late }, NOW)).toBe(true);
  expect(isOverdue({ state: 'stalled', dueAt: NOW }, NOW)).toBe(false);
  expect(isOverdue({ state: 'completed', dueAt: late }, NOW)).toBe(false);
  expect(isHeld({ state: 'stalled', heldAt: late })).toBe(true);
  expect(isHeld({ state: 'cancelled', heldAt: late })).toBe(false);
  expect(isHeld({ state: 'stalled', heldAt: null })).toBe(false);
});

it.each([
  [0, 'less than a minute'],
  [59_999, 'less than a minute'],
  [60_000, '1 min'],
  [-90_000, '1 min'],
  [90 * 60_000, '2 h'],
  [47 * 3_600_000, '47 h'],
  [48 * 3_600_000, '2 days'],
])('%i ms are %s', (ms, words) => {
  expect(spanWords(ms)).toBe(words);
});

it('names a day only when it is another one', () => {
  expect(clockWords(at('2026-11-22T00:00:00Z'), NOW)).toBe('00:00 UTC');
  expect(clockWords(at('2026-11-21T23:59:59Z'), NOW)).toBe('21 Nov, 23:59 UTC');
  expect(clockWords(at('2025-11-22T13:48:00Z'), NOW)).toBe('22 Nov 2025, 13:48 UTC');
  expect(momentWords(NOW, NOW)).toBe('13:48 UTC, in less than a minute');
});

it.each([
  ['account', 'the user'],
  ['key:reader', 'the API key reader'],
  ['key:a:b', 'the API key a:b'],
  ['user:otto', 'otto'],
  ['cli', 'the command line'],
  ['constructor', 'constructor'],
])('%s is %s', (by, words) => {
  expect(whoWords(by)).toBe(words);
});
