import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ASKED_CHECKS, type AskedCheckName } from './asked-checks.ts';
import { type AskedPlace, openAsked } from './asked-subject.ts';
import { ASKED_SUBJECTS, type AskedName } from './asked-subjects.ts';

/** What each kind that is asked passes: one test for each check. */
export function exerciseAsked(name: AskedName): void {
  describe(name, () => {
    const subject = ASKED_SUBJECTS[name];
    let place: AskedPlace;
    beforeAll(async () => {
      place = await openAsked(name, subject);
    });
    afterAll(() => place?.close());

    for (const [check, run] of Object.entries(ASKED_CHECKS)) {
      const reason = subject.without?.[check as AskedCheckName];
      if (reason === undefined) it(check, async () => expect(await run(place)).toEqual([]));
      else it(`${check} does not apply: ${reason}`, () => expect(reason).toMatch(/^\S+( \S+){4,}$/));
    }
  });
}
