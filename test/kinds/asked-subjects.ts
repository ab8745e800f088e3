import { BROKEN_ASKED } from './asked-broken.ts';
import { eventSubject } from './asked-events.ts';
import { filesSubject } from './asked-files.ts';
import { httpSubject } from './asked-http.ts';
import { plainKind } from './asked-plain.ts';
import { requestSubject } from './asked-requests.ts';
import type { AskedSubject } from './asked-subject.ts';

const WHOLE = {
  'a service that answers at once': httpSubject(false),
  'a service that acknowledges later': httpSubject(true),
  'a service that is asked in few words': httpSubject(false, plainKind()),
  'a service that reads from a bus': eventSubject(),
  'files below a prefix': filesSubject(false),
  'files below a prefix, with versions': filesSubject(true),
  'a service with an interface of its own': requestSubject(),
} as const satisfies Record<string, AskedSubject>;
export type AskedName = keyof typeof WHOLE;

/** By name, so that another process finds them. */
export const ASKED_SUBJECTS: Record<AskedName, AskedSubject> & Record<string, AskedSubject | undefined> = {
  ...WHOLE,
  ...Object.fromEntries(
    Object.entries(BROKEN_ASKED).map(([name, { kind, late }]) => [name, httpSubject(late ?? false, kind)]),
  ),
};
