import { describe, expect, it } from 'vitest';
import type { Erasure } from '../../src/erasure/model/states.ts';
import type { Asked } from '../../src/erasure/progress/asked.ts';
import type { TaskFacts } from '../../src/erasure/progress/overview.ts';
import type { LocationProgress } from '../../src/erasure/progress/status.ts';
import type { InWarehouse } from '../../src/erasure/progress/warehouse.ts';
import { type LineFacts, lineOf } from '../../src/http/support/line/line-of.ts';

const NOW = new Date('2026-11-27T13:30:00Z');
const at = (hours: number) => new Date(NOW.getTime() + hours * 3_600_000);
const HOUR = 3_600_000;

const erasure = (change: Partial<Erasure> = {}) =>
  ({
    state: 'running',
    requestedAt: at(-3),
    requestedBy: 'key:app',
    startsAt: at(-2),
    startedAt: at(-2),
    dueAt: at(720),
    heldAt: null,
    retryAt: null,
    dispatchedAt: null,
    cancelledAt: null,
    scrubbedAt: null,
    ...change,
  }) as Erasure;
type Task = Partial<LocationProgress> & Partial<TaskFacts> & { name: string };
const task = (of: Task) => ({
  kind: 'table',
  action: 'delete',
  owner: 'reader',
  state: 'pending',
  rowsDeleted: 0,
  rowsPlanned: 10,
  lastError: null,
  stage: 0,
  attempts: 0,
  pass: 1,
  dueAt: at(24),
  startedAt: null,
  finishedAt: null,
  ...of,
  location: of.name,
});
const line = (of: Partial<Erasure>, tasks: Task[], more: Partial<LineFacts> = {}) => {
  const all = tasks.map(task);
  return lineOf({ erasure: erasure(of), locations: all, tasks: all as TaskFacts[], history: [], ...more }, NOW);
};
const ACCOUNT = { name: 'accounts', kind: 'account', owner: 'lethe', stage: 2 };
/** The only task of a stage. */
const only = (of: Partial<Erasure>, one: Task, more: Partial<LineFacts> = {}) =>
  line(of, [one, ACCOUNT], more).find(({ stops }) => stops.some(({ name }) => name === one.name))?.stops[0];

describe('the line of tasks', () => {
  it('goes from the request over what is asked first, tables and the account to others, whatever their kinds', () => {
    const stages = line({}, [
      { name: 'likes' },
      { name: 'early', kind: 'http', stage: 0 },
      { name: 'posts', stage: 1 },
      ACCOUNT,
      { name: 'search', kind: 'http', stage: 4 },
      { name: 'pictures', kind: 'object-store', stage: 4 },
      { name: 'feed', kind: 'event', stage: 4 },
      { name: 'crm', kind: 'request', stage: 5 },
      { name: 'of the next version', kind: 'fax', stage: 5 },
    ]);
    expect(stages.map(({ title, part, stops }) => [title, part, ...stops.map(({ name }) => name)])).toEqual([
      ['Request', '', 'Request'],
      ['Asked first', '', 'early'],
      ['Tables', 'stage 1 of 2', 'likes'],
      ['Tables', 'stage 2 of 2', 'posts'],
      ['Account', '', 'accounts'],
      ['Partners', '', 'search', 'crm', 'of the next version'],
      ['Files', '', 'pictures'],
      ['Events', '', 'feed'],
    ]);
  });

  it('has the request with its deadline, who asked and when it starts', () => {
    const [request] = line({ state: 'scheduled', startsAt: at(1), dueAt: at(-1) }, []);
    expect(request?.stops[0]).toMatchObject({
      owner: 'the API key app',
      state: 'Waits until it starts',
      since: at(-3),
      next: 'starts at 14:30 UTC, in 60 min',
      late: true,
    });
    expect(line({ state: 'completed', dueAt: at(-1) }, [])[0]?.stops[0]).toMatchObject({ far: 'over', late: false });
  });

  it('says since when, and when it is tried next', () => {
    const asked: Asked = {
      waiting: 1,
      accepted: 0,
      tries: 4,
      askedAt: at(-5),
      lastAnswer: '503',
      lastAt: at(-1),
      nextTryAt: at(2),
      askingUntil: null,
      openSince: null,
      pausedUntil: null,
    };
    const search = { name: 'search', kind: 'http', stage: 4, state: 'awaiting', startedAt: at(-6) };
    expect(only({ state: 'awaiting' }, { ...search, asked })).toMatchObject({
      far: 'waits',
      state: 'Asked',
      since: at(-5),
      tries: 4,
      next: 'at 15:30 UTC, in 2 h',
    });
    expect(only({ state: 'awaiting' }, { ...search, asked: { ...asked, accepted: 1 } })).toMatchObject({
      since: at(-1),
      next: 'asked again at 15:30 UTC, in 2 h',
    });
    expect(only({ state: 'awaiting' }, { ...search, asked: { ...asked, openSince: at(-2) } })).toMatchObject({
      far: 'failed',
      since: at(-2),
    });
    expect(only({ state: 'awaiting', heldAt: NOW }, { ...search, asked })?.next).toBe('not while it is on hold');
    expect(only({}, { name: 'posts', state: 'done', startedAt: at(-2), finishedAt: at(-1) })).toMatchObject({
      since: at(-1),
      next: null,
    });
    expect(only({}, { name: 'posts', state: 'running', startedAt: at(-2) })).toMatchObject({ since: at(-2) });
    expect(only({}, { name: 'posts' })).toMatchObject({ far: 'ahead', since: null, next: 'in its turn' });
  });

  it('says of what has stalled since when, and when it is tried again', () => {
    const posts = { name: 'posts', state: 'failed', attempts: 3, lastError: 'still_written: rows' };
    const failed = (hours: number) => ({ type: 'task.failed', data: { location: 'posts' }, at: at(hours) });
    const history = [failed(-3), failed(-1), { ...failed(0), data: { location: 'feeds' } }];
    expect(only({ state: 'stalled', retryAt: at(3) }, posts, { history })).toMatchObject({
      far: 'failed',
      since: at(-1),
      tries: 3,
      next: 'at 16:30 UTC, in 3 h',
      error: 'still_written: rows',
    });
    expect(only({ state: 'stalled' }, posts)?.next).toBe('after a replay, or at the next sweep');
  });

  it('keeps the last answer of a partner that has confirmed', () => {
    const answers = new Map([['search', { words: '200, erased', at: at(-1) }]]);
    expect(only({}, { name: 'search', kind: 'http', stage: 4, state: 'done' }, { answers })?.about).toEqual([
      'Last answer at 12:30 UTC, 60 min ago: 200, erased',
    ]);
  });

  it('is overdue where it is not over, and nowhere else', () => {
    const late = (of: Partial<Erasure>, state: string) => only(of, { name: 'posts', state, dueAt: at(-1) })?.late;
    expect(late({}, 'running')).toBe(true);
    expect(['done', 'retained'].map((state) => late({}, state))).toEqual([false, false]);
    expect(late({ state: 'completed' }, 'pending')).toBe(false);
  });
});

describe('the warehouse', () => {
  const dataset = { owner: 'warehouse', sla: 36 * HOUR };
  const erased = (change: Partial<InWarehouse> = {}): InWarehouse => ({
    erasedAt: at(-20),
    day: '2026-11-26',
    dayEnded: true,
    partition: null,
    ...change,
  });
  const stop = (of: Partial<Erasure>, of2: InWarehouse) =>
    line(of, [], { warehouse: { dataset, at: of2 } }).find(({ key }) => key === 'warehouse')?.stops[0];

  it('is not there where the catalog has no dataset', () => {
    expect(line({}, []).map(({ key }) => key)).toEqual(['request']);
  });

  it('waits for the account’s end, for the day’s end, and for the day to be written', () => {
    expect(stop({}, erased({ erasedAt: null, day: '' }))).toMatchObject({
      far: 'ahead',
      owner: 'warehouse',
      state: 'Waits for the account’s end',
      dueAt: null,
      about: ['Due 36 h after the end of that day'],
    });
    expect(stop({}, erased({ erasedAt: at(-1), day: '2026-11-27', dayEnded: false }))).toMatchObject({
      far: 'waits',
      state: 'Waits for the day to end',
      next: 'after 28 Nov, 00:00 UTC, in 11 h',
      dueAt: at(10.5 + 36),
      late: false,
    });
    expect(stop({}, erased())).toMatchObject({
      state: 'Waits for dt=2026-11-26 to be written',
      next: 'at the next build',
    });
  });

  it('is late when its time has passed, until it is written', () => {
    expect(stop({ state: 'completed' }, erased({ erasedAt: at(-40), day: '2026-11-25' }))).toMatchObject({
      far: 'failed',
      state: 'Late',
      since: at(-1.5),
      late: true,
      about: ['dt=2026-11-25 is not written'],
    });
    // The day before has 36 hours from its own end.
    expect(stop({ state: 'completed' }, erased({ erasedAt: at(-37) }))).toMatchObject({ far: 'waits', late: false });
    const partition = { revision: 2, keys: true, builtAt: at(-1) };
    expect(stop({ state: 'completed' }, erased({ erasedAt: at(-37), partition }))).toMatchObject({
      far: 'over',
      state: 'In dt=2026-11-26, revision 2',
      since: at(-1),
      late: false,
      about: [],
    });
    expect(stop({}, erased({ partition: { ...partition, keys: false } }))?.about[0]).toContain('without');
  });

  it('never comes for what was undone, and for what was forgotten first', () => {
    expect(stop({ state: 'cancelled' }, erased({ erasedAt: null, day: '' }))).toBeUndefined();
    expect(stop({ state: 'completed', scrubbedAt: NOW }, erased({ erasedAt: at(-999) }))).toMatchObject({
      far: 'over',
      late: false,
    });
  });
});
