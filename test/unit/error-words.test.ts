import { describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode, LetheError } from '../../src/errors.ts';
import { errorWords, outcomeWords, wordsOf } from '../../src/http/support/words/error-words.ts';
import { eventWords } from '../../src/http/support/words/history-words.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];
const HOSTILE = '<script>alert(1)</script>';

describe('the words for an error', () => {
  it.each(CODES)('%s: a sentence each for what it means and what to do', (code) => {
    const { words, help } = wordsOf(code);
    for (const text of [words, help]) {
      expect(text).toMatch(/^[A-Z].{10,}[.]$/);
      expect(text).not.toContain(code.includes('_') ? code : '\0');
    }
    expect(errorWords(new LetheError(code, 'why').message)).toEqual({ words, help, detail: 'why' });
  });

  it('differ wherever an operator has something else to do', () => {
    const failing = CODES.filter((code) => ERRORS[code].status === 500);
    expect(failing.length).toBeGreaterThan(8);
    expect(new Set(failing.map((code) => wordsOf(code).words)).size).toBe(failing.length);
  });

  it.each(['', 'no code', 'unheard_of: text', 'constructor: x', '__proto__: x', ': x', HOSTILE])(
    'of what begins with no code (%s) are those of an unknown error, with the text as it is',
    (message) => {
      expect(errorWords(message)).toEqual({ ...wordsOf('internal_error'), detail: message });
    },
  );

  it('keep a detail as it is, colons and all', () => {
    expect(errorWords(`still_written: rows: ${HOSTILE}`).detail).toBe(`rows: ${HOSTILE}`);
  });
});

it('say why a mail did not go, and leave a name of the provider’s own as it is', () => {
  expect(outcomeWords('invalid_api_key')).toBe('the provider does not know the key: RESEND_API_KEY');
  for (const own of ['made_up_by_the_provider', 'constructor', HOSTILE]) expect(outcomeWords(own)).toBe(own);
});

describe('the words for an event', () => {
  const at = new Date();
  it.each([
    ['erasure.requested', {}, 'Requested by the user'],
    ['erasure.running', { from: null }, 'Started at once'],
    ['erasure.running', { from: 'scheduled' }, 'Started'],
    ['erasure.running', { from: 'scheduled', by: 'user:otto' }, 'Started by otto'],
    ['erasure.running', { from: 'stalled', by: 'cli' }, 'Replayed by the command line'],
    ['erasure.running', { from: 'completed', lateRowsIn: ['a', 'b'] }, 'Opened again: rows had appeared in a, b'],
    ['erasure.held', { by: 'account.hold' }, 'Put on hold by the application (account.hold)'],
    ['erasure.stalled', { code: 'account_locked' }, 'Stalled: The application kept the account or its rows locked.'],
    [
      'task.failed',
      { location: 'posts', code: 'nonsense' },
      'Failed in posts: Something went wrong that Lethe does not know.',
    ],
    [
      'location.erased_at_request',
      { rows: { sessions: 2, tokens: 0 } },
      'Signed out: deleted 2 in sessions, 0 in tokens',
    ],
    ['mail.sent', { kind: 'completed' }, 'Confirmation mail sent'],
    ['of.the.future', { x: 1 }, 'of.the.future'],
    ['toString', {}, 'toString'],
  ])('%s with %j: %s', (type, data, words) => {
    expect(eventWords({ at, type, data }, 'the user')).toBe(words);
  });

  it('do not break on data of another shape', () => {
    for (const data of [{ by: 7, rows: null, code: {}, locations: 'x' }, {}])
      for (const type of [
        'erasure.held',
        'task.failed',
        'pass.started',
        'location.erased_at_request',
        'erasure.running',
      ])
        expect(eventWords({ at, type, data }, '')).not.toMatch(/undefined|\[object/);
  });
});
