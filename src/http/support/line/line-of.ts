import { type Erasure, isDeletingSessions } from '../../../erasure/model/states.ts';
import type { LastAnswer } from '../../../erasure/progress/answers.ts';
import type { HistoryEntry } from '../../../erasure/progress/history.ts';
import type { Interrupted } from '../../../erasure/progress/interruptions.ts';
import type { TaskFacts } from '../../../erasure/progress/overview.ts';
import type { LocationProgress } from '../../../erasure/progress/status.ts';
import { momentWords, whoWords } from '../words/moments.ts';
import { isHeld, isOverdue } from '../words/next-step.ts';
import { type Stop, stopOf } from './stop.ts';
import { type Warehouse, warehouseStop } from './warehouse-stop.ts';

/** Tasks whose turn comes together. `part`: several of a key are parts of one, such as the stages of tables. */
export type Stage = { key: string; title: string; part: string; stops: readonly Stop[] };

/** What the line is made of. */
export type LineFacts = {
  erasure: Erasure;
  locations: readonly LocationProgress[];
  tasks: readonly TaskFacts[];
  history: readonly HistoryEntry[];
  answers?: ReadonlyMap<string, LastAnswer> | undefined;
  /** Workers that ended without an answer, by location; of steps by the empty name. */
  interrupted?: ReadonlyMap<string, Interrupted> | undefined;
  /** Absent: the catalog has no dataset. */
  warehouse?: Warehouse | undefined;
};

/** Stages after the tables, by kind. A kind that is not known here is another system's. */
const BY_KIND: Readonly<Record<string, string>> = { 'object-store': 'files', event: 'events' };
const TITLES = { partners: 'Partners', files: 'Files', events: 'Events' };

/** The stages of an erasure in the order of their turns: the request, its tasks, and the warehouse. */
export function lineOf(of: LineFacts, now: Date): Stage[] {
  const { erasure: e, tasks, warehouse } = of;
  const failed = lastFailures(of.history);
  const facts = new Map(tasks.map((task) => [task.location, task]));
  const account = of.locations.find((l) => l.kind === 'account');
  const accountStage = account ? (facts.get(account.name)?.stage ?? 0) : Number.POSITIVE_INFINITY;
  const stop = (location: LocationProgress): Stop =>
    stopOf(
      e,
      location,
      {
        facts: facts.get(location.name),
        answer: of.answers?.get(location.name),
        failedAt: failed.get(location.name),
        interrupted: of.interrupted?.get(location.kind === 'account' ? '' : location.name),
      },
      now,
    );
  const stageOf = (l: LocationProgress) => facts.get(l.name)?.stage ?? 0;
  const inside = (l: LocationProgress) => l.kind === 'table';
  const asked = of.locations.filter((l) => !inside(l) && l.kind !== 'account');
  const early = asked.filter((l) => stageOf(l) < accountStage);
  const late = asked.filter((l) => stageOf(l) >= accountStage);
  const end = warehouse && warehouseStop(e, warehouse, now);
  const one = (key: string, title: string, stops: readonly Stop[]): Stage => ({ key, title, part: '', stops });
  return [
    one('request', 'Request', [requestStop(e, now)]),
    one('first', 'Asked first', early.map(stop)),
    ...tableStages(of.locations.filter(inside), stageOf, stop),
    one('account', 'Account', account ? [stop(account)] : []),
    ...Object.entries(TITLES).map(([key, title]) =>
      one(key, title, late.filter((l) => (BY_KIND[l.kind] ?? 'partners') === key).map(stop)),
    ),
    one('warehouse', 'Warehouse', end ? [end] : []),
  ].filter(({ stops }) => stops.length > 0);
}

function tableStages(
  tables: readonly LocationProgress[],
  stageOf: (of: LocationProgress) => number,
  stop: (of: LocationProgress) => Stop,
): Stage[] {
  const numbers = [...new Set(tables.map(stageOf))].sort((a, b) => a - b);
  return numbers.map((number, i) => ({
    key: 'tables',
    title: 'Tables',
    part: numbers.length > 1 ? `stage ${i + 1} of ${numbers.length}` : '',
    stops: tables.filter((l) => stageOf(l) === number).map(stop),
  }));
}

/** The request is the first task, and its deadline that of the whole erasure. */
function requestStop(e: Erasure, now: Date): Stop {
  const waits = e.state === 'scheduled';
  return {
    name: 'Request',
    note: 'with the deadline of the whole erasure',
    owner: e.requestedBy === null ? '' : whoWords(e.requestedBy),
    far: waits ? 'waits' : 'over',
    state: waits ? 'Waits until it starts' : e.state === 'cancelled' ? 'Undone' : 'Accepted',
    since: e.state === 'cancelled' ? e.cancelledAt : e.requestedAt,
    tries: 0,
    next: !waits ? null : isHeld(e) ? 'not while it is on hold' : `starts at ${momentWords(e.startsAt, now)}`,
    dueAt: e.dueAt,
    late: isOverdue(e, now),
    about: isDeletingSessions(e) ? ['Rows at request are still being deleted by the workers'] : [],
    error: null,
  };
}

/** When each location failed last. */
function lastFailures(history: readonly HistoryEntry[]): ReadonlyMap<string, Date> {
  return new Map(
    history
      .filter(({ type, data }) => type === 'task.failed' && typeof data.location === 'string')
      .map(({ data, at }) => [data.location as string, at]),
  );
}
