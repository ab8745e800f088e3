import { describe, expect, it } from 'vitest';
import type { Asked } from '../../src/erasure/progress/asked.ts';
import { askedState, askedWords } from '../../src/erasure/progress/asked-words.ts';

const NOW = new Date('2026-11-22T13:30:00Z');
const at = (minutes: number) => new Date(NOW.getTime() + minutes * 60_000);
const when = (date: Date) => date.toISOString().slice(11, 16);
const asked = (change: Partial<Asked>): Asked => ({
  waiting: 1,
  accepted: 0,
  tries: 0,
  askedAt: null,
  lastAnswer: null,
  lastAt: null,
  nextTryAt: at(0),
  askingUntil: null,
  openSince: null,
  pausedUntil: null,
  ...change,
});
const failed = { askedAt: at(-60), lastAt: at(-1), lastAnswer: '503 without a body', tries: 3 };

describe('how it stands with a partner', () => {
  it.each<[string, Partial<Asked>, string, string[]]>([
    ['before it was asked', {}, 'To be asked', ['Next try any moment']],
    [
      'while a worker asks',
      { askedAt: at(0), askingUntil: at(1), nextTryAt: at(1) },
      'Being asked',
      ['Asked first at 13:30', 'It is being asked now'],
    ],
    [
      'after a failure',
      { ...failed, nextTryAt: at(5) },
      'Asked',
      [
        'Asked first at 12:30',
        'Last answer at 13:29: 503 without a body',
        '3 tries without success',
        'Next try at 13:35',
      ],
    ],
    [
      'when it has accepted',
      { accepted: 1, askedAt: at(-60), lastAt: at(-1), lastAnswer: 'accepted', nextTryAt: at(60) },
      'Accepted, acknowledgement awaited',
      ['Accepted, acknowledgement awaited', 'Last answer at 13:29: accepted', 'Asked again at 14:30'],
    ],
    [
      'while its circuit is open',
      { ...failed, tries: 1, openSince: at(-10), nextTryAt: at(1) },
      'Circuit open',
      [
        'Circuit open since 13:20',
        'Asked first at 12:30',
        'Last answer at 13:29: 503 without a body',
        '1 try without success',
        'Next try at 13:31, or once a probe is answered',
      ],
    ],
    [
      'while it has asked for a pause',
      { askedAt: at(-1), pausedUntil: at(10), nextTryAt: at(10) },
      'Paused by the partner',
      ['Paused until 13:40, as the partner has asked', 'Asked first at 13:29', 'Next try at 13:40'],
    ],
    [
      'with many calls',
      { waiting: 1000, accepted: 400, askedAt: at(-1) },
      'Asked',
      [
        'Asked first at 13:29',
        '400 accepted, acknowledgement awaited',
        'Next try any moment',
        'At least 1000 calls outstanding',
      ],
    ],
  ])('%s', (_, change, state, words) => {
    expect(askedState(asked(change), NOW)).toBe(state);
    expect(askedWords(asked(change), NOW, when)).toEqual(words);
  });

  it('says nothing of a lease or a pause that is over', () => {
    const over = asked({ askedAt: at(-60), askingUntil: at(-1), pausedUntil: at(-1) });
    expect(askedState(over, NOW)).toBe('Asked');
    expect(askedWords(over, NOW, when)).toEqual(['Asked first at 12:30', 'Next try any moment']);
  });
});
