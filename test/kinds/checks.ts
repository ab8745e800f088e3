import { locationOf } from '../../src/catalog/live/location-of.ts';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { carrierOf, kindOf } from '../../src/locations/kinds/ask.ts';
import { advance, erase, finish, goOn, makeAccount, makePair, ROWS, runChunk, start, untilOut } from './drive.ts';
import { checksumAll, differs, findUnfinished, readTask } from './evidence.ts';
import { killInChunk } from './killed.ts';
import type { Place } from './subject.ts';

/** Looks at one promise of a kind. Returns what is wrong, in words; nothing when it keeps the promise. */
type Check = (place: Place) => Promise<string[]>;

/** Present before, and absent after: the account's row, too. */
const erases: Check = async (place) => {
  const { account, before } = await makePair(place);
  const present = Object.entries(before).flatMap(([name, rows]) => differs(`before in ${name}`, rows, ROWS));
  const { ended } = await erase(place, account);
  const left = await place.subject.count(place.sql, account);
  const rows = await place.sql`SELECT FROM accounts WHERE id = ${account}`;
  return [
    ...present,
    ...differs('the end', ended, 'completed'),
    ...Object.entries(left).flatMap(([name, n]) => differs(`left in ${name}`, n, 0)),
    ...differs('rows of the account', rows.length, 0),
  ];
};

/** A bystander stays the same, byte for byte. */
const leavesOthers: Check = async (place) => {
  const { account, bystander } = await makePair(place);
  const sum = await place.subject.checksum(place.sql, bystander);
  await erase(place, account);
  return differs('the checksum of a bystander', await place.subject.checksum(place.sql, bystander), sum);
};

/** Where nothing was from the start, the task is done and nothing is counted. */
const findsNothing: Check = async (place) => {
  const account = await makeAccount(place);
  const before = await place.subject.count(place.sql, account);
  const { id, ended } = await erase(place, account);
  const { state } = await readTask(place.sql, id, place.subject.location);
  return [
    ...Object.entries(before).flatMap(([name, n]) => differs(`before in ${name}`, n, 0)),
    ...differs('the task', state, 'done'),
    ...(await findUnfinished(place, { id, account, before, ended })),
  ];
};

/** The ledger says what went. */
const counts: Check = async (place) => {
  const { account, before } = await makePair(place);
  return findUnfinished(place, { account, before, ...(await erase(place, account)) });
};

/** A process is killed in the middle of a slice, and another one goes on: nothing is lost or counted twice. */
const survivesKill: Check = async (place) => {
  const { account, bystander, before } = await makePair(place);
  const sum = await place.subject.checksum(place.sql, bystander);
  const id = await start(place, account);
  const [chunk = 0] = await untilOut(place, id);
  await killInChunk(place, chunk);
  const [row] = await place.sql`SELECT finished_at, rows_deleted::int FROM lethe.chunk WHERE id = ${chunk}`;
  const ended = await finish(place, id);
  return [
    ...differs('the chunk of the killed process', row, { finished_at: null, rows_deleted: 100 }),
    ...(await findUnfinished(place, { id, account, before, ended })),
    ...differs('the checksum of a bystander', await place.subject.checksum(place.sql, bystander), sum),
  ];
};

/** The same jobs and answers come twice, side by side and once more after the end: the ledger is exact. */
const toleratesRepeats: Check = async (place) => {
  const { account, before } = await makePair(place);
  const id = await start(place, account);
  const chunks = await untilOut(place, id);
  const outcomes = await Promise.all(chunks.flatMap((chunk) => [runChunk(place, chunk), runChunk(place, chunk)]));
  const again: string[] = [];
  for (const chunk of chunks) again.push(await runChunk(place, chunk));
  const ended = await finish(place, id, 2);
  for (const chunk of chunks) again.push(await runChunk(place, chunk));
  return [
    ...differs('jobs that found nothing', [...new Set(again)], ['gone']),
    ...differs('jobs that finished', chunks.length, outcomes.filter((o) => o === 'finished').length),
    ...(await findUnfinished(place, { id, account, before, ended })),
  ];
};

/** A hold between two slices stops it, and nothing more goes. A release goes on. */
const stopsWhenHeld: Check = async (place) => {
  const { account, before } = await makePair(place);
  const { sql, subject, ctx } = place;
  const id = await start(place, account);
  const chunks = await untilOut(place, id);
  const first = await runChunk(place, chunks[0] as number, 1);
  const halfway = await subject.count(sql, account);
  await holdErasure(ctx, id, 'key:ops', 'a court asks');
  const outcomes: string[] = [];
  for (const chunk of chunks) outcomes.push(await runChunk(place, chunk));
  const next = await advance(place, id);
  const held = await subject.count(sql, account);
  const { dispatch } = await releaseErasure(ctx, id, 'key:ops');
  const ended = await finish(place, id);
  return [
    ...differs('the first slice', [first, halfway[subject.location]], ['handed back', ROWS - 100]),
    ...differs('jobs while it is held', [...new Set(outcomes)], ['gone']),
    ...differs('the step while it is held', next.kind, 'superseded'),
    ...differs('rows while it is held', held, halfway),
    ...differs('the step of the release', dispatch?.erasureId, id),
    ...(await findUnfinished(place, { id, account, before, ended })),
  ];
};

/** What fails for good stalls the erasure, with the reason at the task. A replay goes on where it was. */
const replays: Check = async (place) => {
  const { account, before } = await makePair(place);
  const { sql, subject, ctx } = place;
  const id = await start(place, account);
  const [chunk = 0] = await untilOut(place, id);
  await runChunk(place, chunk, 1);
  const mend = await subject.obstruct(sql, account);
  await runChunk(place, chunk).catch(() => {});
  const stalled = await goOn(place, id).finally(mend);
  const { state, last_error } = await readTask(sql, id, subject.location);
  const found = await findErasure(ctx.db, id);
  const dispatch = await replayErasure(ctx, id, 'key:ops');
  const ended = await finish(place, id);
  const after = await readTask(sql, id, subject.location);
  return [
    ...differs('the end with something in the way', [stalled, found?.state], ['stalled', 'stalled']),
    ...differs('the task', [state, typeof last_error], ['failed', 'string']),
    ...differs('the step of the replay', dispatch?.erasureId, id),
    ...differs('the error afterwards', after.last_error, null),
    ...(await findUnfinished(place, { id, account, before, ended })),
  ];
};

/** The task says what it is and how far it came, and so does the status. */
const records: Check = async (place) => {
  const { account, before } = await makePair(place);
  const { sql, subject, ctx } = place;
  const location = locationOf(ctx.catalog.locations, subject.location);
  const rows = before[subject.location];
  const id = await start(place, account);
  const accepted = await readTask(sql, id, location.name);
  await finish(place, id);
  const done = await readTask(sql, id, location.name);
  const { requestedAt } = (await findErasure(ctx.db, id)) ?? {};
  const { name, kind, action, owner, state, lastError, planned, deleted, through, chunks } = done.progress ?? {};
  return [
    ...differs('at first', [accepted.state, accepted.started_at, accepted.progress?.planned], ['pending', null, null]),
    ...differs('the task', [done.kind, done.action, done.state], [subject.kind, subject.outcome, 'done']),
    ...differs('its owner', done.owner, location.owner),
    ...differs('its deadline', done.due_at, new Date((requestedAt as Date).getTime() + (location.slaMs as number))),
    ...differs('started before it finished', done.started_at && done.started_at <= (done.finished_at as Date), true),
    ...differs('the place in the status', [name, kind, action], [location.name, subject.kind, subject.outcome]),
    ...differs('the task in the status', [owner, state, lastError], [location.owner, 'done', null]),
    ...differs('rows in the status', { planned, deleted, through }, { planned: rows, deleted: rows, through: rows }),
    ...differs('open chunks in the status', chunks, 0),
  ];
};

/** An estimate says what is there, and neither it nor a look before the start changes anything. */
const looks: Check = async (place) => {
  const { account, before } = await makePair(place);
  const { sql, subject, ctx } = place;
  const location = locationOf(ctx.catalog.locations, subject.location);
  const kind = kindOf(ctx.kinds, location);
  const was = await checksumAll(sql);
  const beside = ctx.catalog.locations.filter((l) => l.kind === location.kind);
  const estimated = await carrierOf(ctx.kinds, location).estimate(ctx, beside, [account]);
  const { rows, chunks } = estimated[beside.indexOf(location)] ?? {};
  for (const begun of [false, true]) await kind.look(ctx, [account], { begun });
  const inTheWay = await kind.findInTheWay(ctx, [account], 10_000);
  const is = await checksumAll(sql);
  const id = await start(place, account);
  await untilOut(place, id);
  const [planned] = await sql`SELECT count(*)::int AS chunks FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
    WHERE t.erasure_id = ${id} AND t.location = ${location.name} AND c.pass > 0`;
  return [
    ...differs('the estimate', { rows, chunks }, { rows: before[location.name], chunks: planned?.chunks }),
    ...differs('what is in the way', inTheWay, []),
    ...differs('the checksum of the database', is, was),
  ];
};

/** Until the answer comes the erasure is awaiting: the account is gone, nobody is told, and no step is out. */
const waits: Check = async (place) => {
  const { account, before } = await makePair(place);
  const { sql, subject } = place;
  const id = await start(place, account);
  const asked = await goOn(place, id);
  const { state, finished_at } = await readTask(sql, id, subject.location);
  const [seen] = await sql`
    SELECT state, dispatched_at, (SELECT count(*)::int FROM accounts WHERE id = ${account}) AS accounts,
           (SELECT count(*)::int FROM lethe.notification WHERE erasure_id = e.id AND kind = 'completed') AS mails
      FROM lethe.erasure e WHERE id = ${id}`;
  await subject.answer?.(place.ctx, id);
  const ended = await finish(place, id);
  return [
    ...differs('the end of the asking', asked, 'awaiting'),
    ...differs('the task', { state, finished_at }, { state: 'awaiting', finished_at: null }),
    ...differs('the erasure', seen, { state: 'awaiting', dispatched_at: null, accounts: 0, mails: 0 }),
    ...(await findUnfinished(place, { id, account, before, ended })),
  ];
};

export const CHECKS = {
  erases,
  leavesOthers,
  findsNothing,
  counts,
  survivesKill,
  toleratesRepeats,
  stopsWhenHeld,
  replays,
  records,
  looks,
  waits,
} as const satisfies Record<string, Check>;
export type CheckName = keyof typeof CHECKS;
