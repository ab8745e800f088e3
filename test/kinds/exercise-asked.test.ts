import { afterAll, describe, expect, it } from 'vitest';
import { BROKEN_ASKED } from './asked-broken.ts';
import { ASKED_CHECKS } from './asked-checks.ts';
import { type AskedPlace, type AskedSubject, openAsked } from './asked-subject.ts';
import { ASKED_SUBJECTS } from './asked-subjects.ts';

describe('the exercise for kinds that are asked', () => {
  const opened: AskedPlace[] = [];
  afterAll(() => Promise.all(opened.map((place) => place.close())));

  it.each(Object.entries(BROKEN_ASKED))('finds a kind that %s', async (name, { found, says }) => {
    const place = await openAsked(name, ASKED_SUBJECTS[name] as AskedSubject);
    opened.push(place);
    expect(await ASKED_CHECKS[found](place)).toContainEqual(expect.stringMatching(says));
  });

  it('has no check that none of them turns red', () => {
    const found = Object.values(BROKEN_ASKED).map((broken) => broken.found);
    expect([...new Set(found)].sort()).toEqual(Object.keys(ASKED_CHECKS).sort());
  });
});
