import type { Catalog } from '../../catalog/live/types.ts';
import type { KindName } from '../../locations/kind.ts';
import type { LocationProgress, Progress } from './status.ts';

/** What users are told that a location's data is, where the catalog does not say; null: its own name says it. */
const BY_KIND: Readonly<Record<KindName | 'account', string | null>> = {
  account: null,
  table: null,
  http: 'data in connected services',
  request: 'data in connected services',
  event: 'data in connected services',
  'object-store': 'files',
};

/** The kind of what a user is shown in the place of one or more locations: its name is what the data is called. */
export const DATA = 'data';

/** States of several locations that are shown as one, the first that one of them has. */
const FIRST = ['failed', 'running', 'awaiting', 'pending', 'retained', 'done'];

/**
 * An erasure's progress as its user may see it: kinds of data, and no systems. Locations that are told by the same words
 * are one. Nothing of a partner is in it: no name, owner, answer, host or count.
 */
export function forUser({ locations: known }: Pick<Catalog, 'locations'>, progress: Progress): Progress {
  const written = new Map(known.map((l) => [l.name, l.data]));
  const groups = new Map<string, LocationProgress[]>();
  for (const location of progress.locations) {
    const data = written.get(location.name) ?? defaultFor(location.kind);
    const key = data === null ? `name ${location.name}` : `data ${data}`;
    groups.set(key, [...(groups.get(key) ?? []), location]);
  }
  const locations = [...groups].map(([key, of]) =>
    key.startsWith('name ') ? (of[0] as LocationProgress) : together(key.slice('data '.length), of),
  );
  const planned = locations.flatMap((l) => (l.rowsPlanned === null ? [] : [l.rowsPlanned]));
  return {
    ...progress,
    rowsDeleted: sum(locations.map((l) => l.rowsDeleted)),
    rowsPlanned: progress.rowsPlanned === null ? null : sum(planned),
    locations,
  };
}

/** A kind that is not known here is another system's. */
const defaultFor = (kind: string): string | null =>
  Object.hasOwn(BY_KIND, kind) ? BY_KIND[kind as KindName] : BY_KIND.http;

/** True for data in the account's own database. */
export const isInside = ({ kind }: Pick<LocationProgress, 'kind'>): boolean => kind === 'table' || kind === 'account';

function together(name: string, of: readonly LocationProgress[]): LocationProgress {
  const rows = of.filter(isInside);
  const planned = rows.map((l) => l.rowsPlanned);
  const states = new Set(of.map((l) => l.state));
  const begun = states.has('pending') && (states.has('done') || states.has('retained'));
  return {
    name,
    kind: DATA,
    action: 'delete',
    owner: '',
    state: begun ? 'running' : (FIRST.find((state) => states.has(state)) ?? 'pending'),
    rowsDeleted: sum(rows.map((l) => l.rowsDeleted)),
    // What others have is not counted for users: the ledger counts calls, which are nothing to them.
    rowsPlanned: rows.length === 0 || planned.includes(null) ? null : sum(planned as number[]),
    lastError: null,
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
