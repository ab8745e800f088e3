import { BROKEN } from './broken.ts';
import { lateSubject } from './late.ts';
import type { Subject } from './subject.ts';
import { tableSubject } from './tables.ts';

const WHOLE = {
  'a table with bigint keys': tableSubject('bigint', false),
  'a table with uuid keys': tableSubject('uuid', false),
  'a table with children and bigint keys': tableSubject('bigint', true),
  'a table with children and uuid keys': tableSubject('uuid', true),
  'a system that answers late': lateSubject(),
} as const satisfies Record<string, Subject>;
export type SubjectName = keyof typeof WHOLE;

/** By name, so that another process finds them. */
export const SUBJECTS: Record<SubjectName, Subject> & Record<string, Subject | undefined> = {
  ...WHOLE,
  ...Object.fromEntries(Object.entries(BROKEN).map(([name, { kind }]) => [name, lateSubject(kind)])),
};
