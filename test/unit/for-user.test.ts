import { describe, expect, it } from 'vitest';
import type { Location } from '../../src/catalog/live/types.ts';
import { forUser } from '../../src/erasure/progress/for-user.ts';
import type { LocationProgress, Progress } from '../../src/erasure/progress/status.ts';

const location = (change: Partial<LocationProgress>): LocationProgress => ({
  name: 'posts',
  kind: 'table',
  action: 'delete',
  owner: 'reader',
  state: 'done',
  rowsDeleted: 20,
  rowsPlanned: 20,
  lastError: null,
  ...change,
});
const partner = (name: string, kind: string, state: string) =>
  location({
    name,
    kind,
    state,
    owner: `team-${name}`,
    rowsDeleted: state === 'done' ? 1 : 0,
    rowsPlanned: 1,
    lastError: `internal_error: ${name}.internal`,
    asked: { lastAnswer: `503 of ${name}.internal` } as NonNullable<LocationProgress['asked']>,
  });
const progress = (...locations: LocationProgress[]): Progress => ({
  rowsDeleted: 22,
  rowsPlanned: 24,
  percent: 90,
  etaSeconds: null,
  locations,
});
const known = (data: Record<string, string>) => ({
  locations: Object.entries(data).map(([name, words]) => ({ name, data: words }) as Location),
});
const shown = (of: Progress) => of.locations.map((l) => `${l.name} ${l.state}`);

describe('progress as its user may see it', () => {
  const all = progress(
    location({}),
    location({ name: 'accounts', kind: 'account', rowsDeleted: 1, rowsPlanned: 1 }),
    partner('stripe', 'request', 'done'),
    partner('search', 'http', 'awaiting'),
    partner('pulsar', 'event', 'done'),
    partner('media-bucket', 'object-store', 'awaiting'),
  );

  it('names kinds of data in the place of systems, each once', () => {
    expect(shown(forUser(known({}), all))).toEqual([
      'posts done',
      'accounts done',
      'data in connected services awaiting',
      'files awaiting',
    ]);
    expect(shown(forUser(known({ stripe: 'payments', search: 'what others find of you' }), all)).slice(2)).toEqual([
      'payments done',
      'what others find of you awaiting',
      'data in connected services done',
      'files awaiting',
    ]);
  });

  it('says nothing else of a partner: no name, owner, answer, error or count', () => {
    const seen = forUser(known({ stripe: 'payments' }), all);
    expect(JSON.stringify(seen)).not.toMatch(/stripe|search|pulsar|bucket|team-|503|internal|request|http/);
    expect(seen).toMatchObject({ rowsDeleted: 21, rowsPlanned: 21 });
    // A kind that this version does not know may be another system's.
    expect(shown(forUser(known({}), progress(partner('carrier-pigeon', 'pigeon', 'done'))))).toEqual([
      'data in connected services done',
    ]);
  });

  it('takes a word of the catalog for tables as well, and puts them together with what is elsewhere', () => {
    const media = progress(
      location({ name: 'media' }),
      location({ name: 'thumbnails', state: 'running', rowsDeleted: 1, rowsPlanned: 3 }),
      partner('bucket', 'object-store', 'pending'),
    );
    const seen = forUser(known({ media: 'files', thumbnails: 'files' }), media);
    expect(seen.locations).toEqual([
      expect.objectContaining({ name: 'files', state: 'running', rowsDeleted: 21, rowsPlanned: 23 }),
    ]);
  });

  it('calls nothing done before all of it is', () => {
    const state = (...states: string[]) =>
      forUser(known({}), progress(...states.map((s, i) => partner(`p${i}`, 'http', s)))).locations[0]?.state;
    expect(state('done', 'done')).toBe('done');
    expect(state('done', 'awaiting')).toBe('awaiting');
    expect(state('done', 'pending')).toBe('running');
    expect(state('pending', 'pending')).toBe('pending');
    expect(state('done', 'failed')).toBe('failed');
    expect(state('done', 'retained')).toBe('retained');
  });
});
