import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKS, type CheckName } from './checks.ts';
import { openPlace, type Place } from './subject.ts';
import { SUBJECTS, type SubjectName } from './subjects.ts';

/** What each kind and outcome passes: one test for each check. */
export function exercise(name: SubjectName): void {
  describe(name, () => {
    const subject = SUBJECTS[name];
    let place: Place;
    beforeAll(async () => {
      place = await openPlace(name, subject);
    });
    afterAll(() => place?.world.close());

    for (const [check, run] of Object.entries(CHECKS)) {
      const reason = subject.without?.[check as CheckName];
      if (reason === undefined) it(check, async () => expect(await run(place)).toEqual([]));
      else it(`${check} does not apply: ${reason}`, () => expect(reason).toMatch(/^\S+( \S+){4,}$/));
    }
  });
}
