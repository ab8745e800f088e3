import { locationOf } from '../../src/catalog/live/location-of.ts';
import { replayPartners } from '../../src/erasure/accept/replay-partners.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { carrierOf, kindOf } from '../../src/locations/kinds/ask.ts';
import {
  acknowledge,
  elapse,
  eraseAsked,
  finishCalls,
  makePair,
  pump,
  THINGS,
  untilAsked,
  work,
} from './asked-drive.ts';
import { findUnfinishedCalls, readCalls, readErasure, readPartner } from './asked-evidence.ts';
import { killInCall } from './asked-killed.ts';
import type { AskedPlace } from './asked-subject.ts';
import { advance, makeAccount, start } from './drive.ts';
import { checksumAll, differs, readTask } from './evidence.ts';

/** Looks at one promise of a kind that is asked. Returns what is wrong, in words; nothing when it keeps the promise. */
type Check = (place: AskedPlace) => Promise<string[]>;

/** Tries of a system that is away until its circuit opens. */
const OPENS_AFTER = 5;

/** The ids that a system was told since it had been told `before` of them. */
const toldSince = async ({ system }: AskedPlace, before: number): Promise<readonly string[]> =>
  ((await system.told()) ?? []).slice(before);

/** Present before, and absent after: the account's row, too. */
const erases: Check = async (place) => {
  const { account } = await makePair(place);
  const before = await place.system.count(account);
  const { ended } = await eraseAsked(place, account);
  const rows = await place.sql`SELECT FROM accounts WHERE id = ${account}`;
  return [
    ...differs('before', before, THINGS),
    ...differs('the end', ended, 'completed'),
    ...differs('left', await place.system.count(account), 0),
    ...differs('rows of the account', rows.length, 0),
  ];
};

/** A bystander stays the same, byte for byte. */
const leavesOthers: Check = async (place) => {
  const { account, bystander } = await makePair(place);
  const sum = await place.system.checksum(bystander);
  await eraseAsked(place, account);
  return differs('the checksum of a bystander', await place.system.checksum(bystander), sum);
};

/** Where nothing was from the start, the partner says so, the task is done, and the ledger has no more than the call. */
const findsNothing: Check = async (place) => {
  const account = await makeAccount(place);
  const { id, ended } = await eraseAsked(place, account);
  const { state } = await readTask(place.sql, id, place.subject.location);
  return [
    ...differs('the task', state, 'done'),
    ...(await findUnfinishedCalls(place, { id, account, things: 0, ended })),
  ];
};

/** The ledger says what went. */
const counts: Check = async (place) => {
  const { account, things } = await makePair(place);
  return findUnfinishedCalls(place, { account, things, ...(await eraseAsked(place, account)) });
};

/** A process is killed when the partner has answered and nothing is settled: asked again with the same id, counted once. */
const survivesKill: Check = async (place) => {
  const { account, bystander, things } = await makePair(place);
  const sum = await place.system.checksum(bystander);
  const id = await untilAsked(place, account);
  const told = (await place.system.told())?.length ?? 0;
  const [before] = await readCalls(place, id);
  await killInCall(place);
  const [after] = await readCalls(place, id);
  await elapse(place.sql);
  const ended = await finishCalls(place, id);
  const ids = await toldSince(place, told);
  const calls = await readCalls(place, id);
  return [
    ...differs('the call of the killed process', [after?.id, after?.state], [before?.id, 'open']),
    ...differs('calls', calls.length, 1),
    ...((await place.system.told()) === null
      ? []
      : [
          ...differs('ids that it was told', [...new Set(ids)], [before?.id]),
          ...differs('told twice', ids.length >= 2, true),
        ]),
    ...(await findUnfinishedCalls(place, { id, account, things, ended })),
    ...differs('the checksum of a bystander', await place.system.checksum(bystander), sum),
  ];
};

/** Two workers at once ask once. Answers that come early, twice and after the end change nothing. */
const toleratesRepeats: Check = async (place) => {
  const { account, things } = await makePair(place);
  const id = await untilAsked(place, account);
  const told = (await place.system.told())?.length ?? 0;
  // The call may be known to the partner before its answer is here: it acknowledges in between.
  let early = 0;
  const between = async () => {
    for (const callId of (await place.system.work?.()) ?? []) {
      await acknowledge(place, callId);
      await acknowledge(place, callId);
      early += 1;
    }
  };
  await Promise.all(
    [1, 2].map(() =>
      pump(place, (send) => async (...of) => {
        const answers = await send(...of);
        await between();
        return answers;
      }),
    ),
  );
  const ids = await toldSince(place, told);
  const ended = await finishCalls(place, id, 2);
  const [call] = await readCalls(place, id);
  const requests = await place.system.requests();
  await Promise.all([acknowledge(place, call?.id as string), pump(place), pump(place)]);
  await elapse(place.sql);
  await pump(place);
  return [
    ...((await place.system.told()) === null ? [] : differs('told by two at once', ids, [call?.id])),
    ...differs('acknowledged early', early > 0, place.system.work !== undefined),
    ...differs('requests after the end', (await place.system.requests()) - requests, 0),
    ...(await findUnfinishedCalls(place, { id, account, things, ended })),
  ];
};

/** Nothing is asked while the erasure is held. A release goes on. */
const stopsWhenHeld: Check = async (place) => {
  const { account, things } = await makePair(place);
  const { sql, system, ctx } = place;
  const requests = await system.requests();
  const id = await untilAsked(place, account);
  await holdErasure(ctx, id, 'key:ops', 'a court asks');
  await pump(place);
  await elapse(sql);
  await pump(place);
  const next = await advance(place, id);
  const held = [(await system.requests()) - requests, await system.count(account)];
  await releaseErasure(ctx, id, 'key:ops');
  const ended = await finishCalls(place, id);
  return [
    ...differs('requests and things while it is held', held, [0, THINGS]),
    ...differs('the step while it is held', next.kind === 'superseded' || next.kind === 'awaiting', true),
    ...(await findUnfinishedCalls(place, { id, account, things, ended })),
  ];
};

/** A partner that is away is asked again with the same id, is spared while its circuit is open, and needs no replay. */
const recovers: Check = async (place) => {
  const { account, things } = await makePair(place);
  const { sql, system, subject } = place;
  const id = await untilAsked(place, account);
  const told = (await system.told())?.length ?? 0;
  const mend = await system.fail();
  let requests = await system.requests();
  const met: number[] = [];
  try {
    for (let n = 0; n < OPENS_AFTER; n++) {
      await elapse(sql);
      await pump(place);
      met.push((await system.requests()) - requests);
      requests = await system.requests();
    }
    const open = await readPartner(place);
    const { state, last_error } = await readTask(sql, id, subject.location);
    const [failing] = await readCalls(place, id);
    const seen = await readErasure(sql, id);
    // The call is due, and no probe is.
    await sql`UPDATE lethe.call SET next_at = now() - interval '1 second' WHERE next_at IS NOT NULL`;
    await pump(place);
    const spared = (await system.requests()) - requests;
    await mend();
    await elapse(sql);
    const ended = await finishCalls(place, id);
    const closed = await readPartner(place);
    const ids = await toldSince(place, told);
    const after = await readTask(sql, id, subject.location);
    return [
      ...differs('each try was made', met.every((n) => n > 0) || (await system.told()) === null, true),
      ...differs('the circuit', [open?.opened_at != null, closed?.opened_at], [true, null]),
      ...differs('the failures in a row', closed?.failures, 0),
      ...differs('requests while the circuit is open', spared, 0),
      ...differs('the task meanwhile', [state, typeof failing?.last_words], ['awaiting', 'string']),
      ...differs('the call meanwhile', [failing?.state, (failing?.attempts ?? 0) > 0], ['open', true]),
      ...differs('the erasure meanwhile', seen, { state: 'awaiting', out: false, mails: 0 }),
      ...((await system.told()) === null ? [] : differs('ids that it was told', new Set(ids).size, 1)),
      ...differs('the error afterwards', [after.last_error, typeof last_error !== 'undefined'], [null, true]),
      ...(await findUnfinishedCalls(place, { id, account, things, ended })),
    ];
  } finally {
    await mend();
  }
};

/** The task says what it is and how far it came, and so does the status. */
const records: Check = async (place) => {
  const { account, things } = await makePair(place);
  const { sql, subject, ctx } = place;
  const location = locationOf(ctx.catalog.locations, subject.location);
  const id = await start(place, account);
  const accepted = await readTask(sql, id, location.name);
  await finishCalls(place, id);
  const done = await readTask(sql, id, location.name);
  const { requestedAt } = (await findErasure(ctx.db, id)) ?? {};
  const { name, kind, action, owner, state, lastError, deleted, through } = done.progress ?? {};
  const rows = subject.counted(things);
  return [
    ...differs('at first', [accepted.state, accepted.started_at, accepted.progress?.planned], ['pending', null, null]),
    ...differs('the task', [done.kind, done.action, done.state], [subject.kind, subject.outcome, 'done']),
    ...differs('its owner', done.owner, location.owner),
    ...differs('its deadline', done.due_at, new Date((requestedAt as Date).getTime() + (location.slaMs as number))),
    ...differs('started before it finished', done.started_at && done.started_at <= (done.finished_at as Date), true),
    ...differs('the place in the status', [name, kind, action], [location.name, subject.kind, subject.outcome]),
    ...differs('the task in the status', [owner, state, lastError], [location.owner, 'done', null]),
    ...differs('rows in the status', { deleted, through }, { deleted: rows, through: rows }),
  ];
};

/** An estimate asks nobody, and neither it nor a look before the start changes anything. */
const looks: Check = async (place) => {
  const { account } = await makePair(place);
  const { sql, subject, system, ctx } = place;
  const location = locationOf(ctx.catalog.locations, subject.location);
  const kind = kindOf(ctx.kinds, location);
  const was = [await checksumAll(sql), await system.requests(), await system.checksum(account)];
  const [estimated] = await carrierOf(ctx.kinds, location).estimate(ctx, [location], [account]);
  for (const begun of [false, true]) await kind.look(ctx, [account], { begun });
  const inTheWay = await kind.findInTheWay(ctx, [account], 10_000);
  const is = [await checksumAll(sql), await system.requests(), await system.checksum(account)];
  const id = await untilAsked(place, account);
  const calls = await readCalls(place, id);
  return [
    ...differs('the estimate', estimated?.rows === null || estimated?.rows === calls.length, true),
    ...differs('what is in the way', inTheWay, []),
    ...differs('what has changed', is, was),
  ];
};

/** Until the partner has said that it is done the erasure is awaiting: nobody is told, and no step is out. */
const waits: Check = async (place) => {
  const { account, things } = await makePair(place);
  const { sql, subject, system } = place;
  const id = await untilAsked(place, account);
  const { state, finished_at } = await readTask(sql, id, subject.location);
  const before = await readErasure(sql, id);
  await pump(place);
  const asked = await readErasure(sql, id);
  const [call] = await readCalls(place, id);
  const left = await system.count(account);
  await work(place);
  const ended = await finishCalls(place, id);
  const waiting = { state: 'awaiting', out: false, mails: 0 };
  return [
    ...differs('the task', { state, finished_at }, { state: 'awaiting', finished_at: null }),
    ...differs('the erasure before it is asked', before, waiting),
    ...(system.work
      ? [
          ...differs('the erasure before it is acknowledged', asked, waiting),
          ...differs('the call before that', [call?.state, left], ['accepted', THINGS]),
        ]
      : []),
    ...(await findUnfinishedCalls(place, { id, account, things, ended })),
  ];
};

/** A replay of what is done asks anew, with another id, and the ledger has both. */
const replays: Check = async (place) => {
  const { account, things } = await makePair(place);
  const { id } = await eraseAsked(place, account);
  const [first] = await readCalls(place, id);
  const requests = await place.system.requests();
  await place.system.add(place.sql, [account], things);
  await replayPartners(place.ctx, id, 'key:ops');
  const ended = await finishCalls(place, id);
  const calls = await readCalls(place, id);
  return [
    ...differs('calls', [calls.length, calls.map((c) => c.pass)], [2, [1, 2]]),
    ...differs('the first call', calls[0]?.id, first?.id),
    ...differs('it was asked again', (await place.system.requests()) > requests, true),
    ...(await findUnfinishedCalls(place, { id, account, things, ended, times: 2 })),
  ];
};

export const ASKED_CHECKS = {
  erases,
  leavesOthers,
  findsNothing,
  counts,
  survivesKill,
  toleratesRepeats,
  stopsWhenHeld,
  recovers,
  records,
  looks,
  waits,
  replays,
} as const satisfies Record<string, Check>;
export type AskedCheckName = keyof typeof ASKED_CHECKS;
