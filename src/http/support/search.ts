import { validate as isUuid } from 'uuid';
import type { Config } from '../../config.ts';
import type { Context } from '../../erasure/model/context.ts';
import { markEarlier } from '../../erasure/model/newer-account.ts';
import { type Erasure, findErasure, isFinal, STATES, type State } from '../../erasure/model/states.ts';
import { readCycles } from '../../erasure/progress/canaries.ts';
import { type Filter, listErasures } from '../../erasure/progress/list.ts';
import { readMails, readOverview } from '../../erasure/progress/overview.ts';
import { readPartners } from '../../erasure/progress/partners.ts';
import { readProgress } from '../../erasure/progress/status.ts';
import { TASKS } from '../../erasure/progress/tasks-of.ts';
import { readOwners } from '../../erasure/watch/read-owners.ts';
import type { Producers } from '../../jobs/redis/producers.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import { keyInWords, parseKey } from '../../keys/parse.ts';
import type { KeyValue } from '../../keys/types.ts';
import { readPaceWords } from '../../pace/current-pace.ts';
import { accountDigests } from '../../tokens.ts';
import type { Search } from './address.ts';
import type { ListView, Row } from './list.ts';
import { readQueueHealth } from './queue-health.ts';

const PAGE = 25;
/** How many rows' progress is read at once: a page must not take every connection of the pool. */
const AT_ONCE = 5;

/** What a search asks. */
export type Searched = {
  ctx: Context;
  config: Pick<Config, 'LETHE_SECRET'>;
  producers: Pick<Producers, 'queues'>;
};

/** The search as the address says it. What the form cannot have sent is ignored. */
export function parseSearch(query: Record<string, string>): Search {
  return {
    q: (query.q ?? '').trim().slice(0, 200),
    state: (STATES as readonly string[]).includes(query.state ?? '') ? (query.state as State) : '',
    held: query.held === '1',
    overdue: query.overdue === '1',
    accounts: query.accounts === 'users' || query.accounts === 'test' ? query.accounts : '',
    // No owner has a control character, which Postgres may not take.
    owner: /\p{Cc}/u.test(query.owner ?? '') ? '' : (query.owner ?? '').slice(0, 100),
    tasks: TASKS.find((which) => which === query.tasks) ?? 'open',
    cursor: isUuid(query.cursor) ? (query.cursor as string) : '',
  };
}

/** The list that a search asks for, or the erasure whose id it is. */
export async function runSearch(api: Searched, search: Search): Promise<ListView | { erasureId: string }> {
  const { db } = api.ctx;
  const account = await whatIsMeant(api, search.q);
  if ('erasureId' in account) return account;
  const hint = 'hint' in account ? account.hint : '';
  const [overview, health, pace, partners, owners, cycles, page] = await Promise.all([
    readOverview(db),
    readQueueHealth(api),
    readPaceWords(api.ctx),
    readPartners(db),
    readOwners(db),
    readCycles(db, 2),
    hint
      ? { erasures: [], nextCursor: null }
      : listErasures(
          db,
          { ...filterOf(search), ...(account as Filter) },
          { limit: PAGE, cursor: search.cursor === '' ? undefined : search.cursor },
        ),
  ]);
  if ('accountKey' in account) page.erasures = await markEarlier(api.ctx, account.accountKey, page.erasures);
  return {
    search,
    overview,
    health,
    pace,
    partners,
    owners,
    // At most one of them is under way.
    lastCycle: cycles.find(({ finishedAt }) => finishedAt !== null),
    drift: api.ctx.drift.problems,
    hint,
    nextCursor: page.nextCursor,
    rows: await withProgress(api, page.erasures),
  };
}

const filterOf = ({ state, held, overdue, accounts, owner, tasks }: Search): Filter => ({
  ...(state === '' ? {} : { state: state as State }),
  // A hold on a final erasure says nothing any more.
  ...(held ? { held: true, live: true } : {}),
  ...(overdue ? { overdue: true } : {}),
  ...(accounts === '' ? {} : { canary: accounts === 'test' }),
  ...(owner === '' ? {} : { tasks: { owner, which: tasks } }),
});

type Meant = { erasureId: string } | { hint: string } | Pick<Filter, 'accountKey' | 'accountDigests' | 'idPart'>;

/** An id's beginning, or the short form that the list shows: beginning, dots, end. */
const PART = /^([0-9a-f][0-9a-f-]{5,35})(?:(?:…|\.\.\.)([0-9a-f]{1,12}))?$/i;

/** The ids that begin and end so; undefined for what is no part of an id. */
export function idPartOf(q: string): Filter['idPart'] {
  const [, written = '', end = ''] = PART.exec(q) ?? [];
  const begin = written.replaceAll('-', '').toLowerCase();
  if (begin.length < 6 || begin.length > 32) return undefined;
  const whole = (fill: string) => begin.padEnd(32, fill).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { from: whole('0'), to: whole('f'), end: end.toLowerCase() };
}

/** What a search text means: an erasure's id or a part of it, or an account's id. The account's digests find what was scrubbed. */
async function whatIsMeant({ ctx, config }: Searched, q: string): Promise<Meant> {
  if (q === '') return {};
  if (isUuid(q)) {
    const found = await findErasure(ctx.db, q);
    if (found) return { erasureId: found.id };
  }
  const columns = ctx.catalog.account.key;
  const kind = keyInWords(columns);
  let key: KeyValue;
  try {
    key = parseKey(columns, q);
  } catch {
    const idPart = isUuid(q) ? undefined : idPartOf(q);
    if (idPart) return { idPart };
    return {
      hint: isUuid(q)
        ? `No erasure has this id. An account’s id is ${kind} here.`
        : `This is neither an account’s id, which is ${kind} here, nor an erasure’s id (a uuid), its first six characters or more, or the short form of the list.`,
    };
  }
  const accountKey = await canonicalKey(ctx.db, columns, key);
  return { accountKey, accountDigests: accountDigests(config.LETHE_SECRET, accountKey), idPart: idPartOf(q) };
}

/** Adds progress and mails to the rows. Progress is read only of what is under way. */
async function withProgress({ ctx }: Searched, erasures: readonly Erasure[]): Promise<Row[]> {
  const mails = await readMails(
    ctx.db,
    erasures.map((e) => e.id),
  );
  const one = async (erasure: Erasure): Promise<Row> => {
    const moving = erasure.startedAt !== null && !isFinal(erasure.state);
    const { percent, etaSeconds } = moving ? await readProgress(ctx, erasure) : { percent: null, etaSeconds: null };
    return { erasure, percent, etaSeconds, mails: mails.filter((mail) => mail.erasureId === erasure.id) };
  };
  const rows: Row[] = [];
  for (let i = 0; i < erasures.length; i += AT_ONCE)
    rows.push(...(await Promise.all(erasures.slice(i, i + AT_ONCE).map(one))));
  return rows;
}
