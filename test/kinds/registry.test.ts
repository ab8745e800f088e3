import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import { ASKED_SUBJECTS } from './asked-subjects.ts';
import { SUBJECTS } from './subjects.ts';

const pairs = Object.entries(KINDS).flatMap(([kind, { outcomes }]) =>
  Object.entries(outcomes).map(([outcome, carrier]) => ({ kind, outcome, carrier })),
);
const fileOf = (kind: string, outcome: string) => new URL(`${kind}-${outcome}.test.ts`, import.meta.url);
/** The subjects that a test file exercises. */
const exercised = (kind: string, outcome: string) => {
  const file = fileOf(kind, outcome);
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return [...text.matchAll(/^exercise(Asked)?\('([^']+)'\)/gm)].map(
    ([, asked, name]) => (asked ? ASKED_SUBJECTS : SUBJECTS)[name as string],
  );
};

describe('each outcome of each kind', () => {
  it.each(pairs.filter(({ carrier }) => !('refused' in carrier)))(
    '$kind $outcome is exercised',
    ({ kind, outcome }) => {
      const subjects = exercised(kind, outcome);
      expect(subjects.length, `a file ${kind}-${outcome}.test.ts that calls exercise`).toBeGreaterThan(0);
      for (const subject of subjects) expect([subject?.kind, subject?.outcome]).toEqual([kind, outcome]);
    },
  );

  it.each(pairs.filter(({ carrier }) => 'refused' in carrier))(
    '$kind $outcome says why it is refused',
    ({ carrier }) => {
      expect('refused' in carrier && carrier.refused).toMatch(/^\S+( \S+){3,}$/);
    },
  );

  it('would be missed where no file exercises it', () => {
    expect(exercised('table', 'keep')).toEqual([]);
  });
});
