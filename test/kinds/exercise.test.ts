import { afterAll, describe, expect, it } from 'vitest';
import { BROKEN } from './broken.ts';
import { CHECKS } from './checks.ts';
import { openPlace, type Place } from './subject.ts';
import { SUBJECTS } from './subjects.ts';

describe('the exercise', () => {
  const opened: Place[] = [];
  afterAll(() => Promise.all(opened.map(({ world }) => world.close())));

  it.each(Object.entries(BROKEN))('finds a kind that %s', async (name, { found, says }) => {
    const place = await openPlace(name, SUBJECTS[name] as (typeof SUBJECTS)[string] & object);
    opened.push(place);
    expect(await CHECKS[found](place)).toContainEqual(expect.stringMatching(says));
  });

  it('has no check that none of them turns red', () => {
    expect([...new Set(Object.values(BROKEN).map(({ found }) => found))].sort()).toEqual(Object.keys(CHECKS).sort());
  });
});
