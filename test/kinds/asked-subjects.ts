import { httpSubject } from './asked-http.ts';
import type { AskedSubject } from './asked-subject.ts';

const WHOLE = {
  'a service that answers at once': httpSubject(false),
  'a service that acknowledges later': httpSubject(true),
} as const satisfies Record<string, AskedSubject>;
export type AskedName = keyof typeof WHOLE;

/** By name, so that another process finds them. */
export const ASKED_SUBJECTS: Record<AskedName, AskedSubject> & Record<string, AskedSubject | undefined> = WHOLE;
