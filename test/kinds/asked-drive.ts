import { acknowledgeCalls } from '../../src/erasure/calls/acknowledge.ts';
import { PartnerLoop } from '../../src/erasure/calls/partner-loop.ts';
import { Senders } from '../../src/erasure/calls/senders.ts';
import { partnersDue } from '../../src/erasure/calls/take.ts';
import type { Next } from '../../src/erasure/steps/advance.ts';
import type { Sender, SenderTools } from '../../src/locations/asked.ts';
import type { Kinds } from '../../src/locations/kinds/registry.ts';
import { deriveToken } from '../../src/tokens.ts';
import type { Sql } from '../support/world.ts';
import { readErasure } from './asked-evidence.ts';
import type { AskedPlace } from './asked-subject.ts';
import { goOn, makeAccount, start } from './drive.ts';

/** Things of an account. */
export const THINGS = 30;

/** What makes calls: a context, and where its servers and the variables of its environment are. */
export type Worker = Pick<AskedPlace, 'ctx' | 'config'>;
let pumps = 0;

/** Wraps what makes the calls, as to stop in the middle of one. */
export type Wrap = (send: Sender['send']) => Sender['send'];

/** One round of what each worker does: takes the calls that are due, makes them, settles the answers. */
export async function pump({ ctx, config }: Worker, wrap: Wrap = (send) => send): Promise<void> {
  const tools: SenderTools = {
    log: ctx.log,
    variable: config.variable,
    redis: { url: config.REDIS_URL, prefix: config.LETHE_REDIS_PREFIX },
    privateHosts: ['127.0.0.1'],
    publicUrl: config.LETHE_PUBLIC_URL,
    tokenOf: (callId) => deriveToken(ctx.settings.secrets, 'ack', callId),
  };
  const senders = new Senders(withWrapped(ctx.kinds, wrap), tools);
  const holder = `pump-${++pumps}`;
  const pumping = { ctx, senders, holder, dispatch: async () => {}, signal: new AbortController().signal };
  try {
    const due = await partnersDue(ctx, holder);
    await Promise.all(due.map((name) => new PartnerLoop(pumping, name).run()));
  } finally {
    await senders.close();
  }
}

const wrapped = (sender: Sender, wrap: Wrap): Sender => ({
  batch: sender.batch,
  ...(sender.room ? { room: (location) => sender.room?.(location) as Promise<number> } : {}),
  send: wrap((...of) => sender.send(...of)),
  close: () => sender.close(),
});

const withWrapped = (kinds: Kinds, wrap: Wrap): Kinds =>
  Object.fromEntries(
    Object.entries(kinds).map(([name, kind]) => {
      const { outside } = kind;
      return [
        name,
        outside ? { ...kind, outside: { ...outside, open: (tools) => wrapped(outside.open(tools), wrap) } } : kind,
      ];
    }),
  );

/** The other system says that a call is done. */
export async function acknowledge({ ctx }: Pick<AskedPlace, 'ctx'>, callId: string): Promise<void> {
  await acknowledgeCalls(ctx, [{ id: callId, status: 'erased' }]);
}

/** Lets the time pass until every call of the partner is due, no lease holds, and a probe may try. */
export async function elapse(sql: Sql): Promise<void> {
  await sql`UPDATE lethe.call SET next_at = now() - interval '1 second', leased_until = now() - interval '1 second'
             WHERE next_at IS NOT NULL AND leased_until IS NOT NULL`;
  await sql`UPDATE lethe.call SET next_at = now() - interval '1 second' WHERE next_at IS NOT NULL`;
  await sql`UPDATE lethe.partner SET probe_at = probe_at - interval '1 hour', paused_until = NULL,
                   held_until = now()`;
}

/** An account with things, and a bystander with as many. */
export async function makePair(
  place: AskedPlace,
  things = THINGS,
): Promise<{ account: string; bystander: string; things: number }> {
  const [account, bystander] = [await makeAccount(place), await makeAccount(place)];
  await place.system.add(place.sql, [account, bystander], things);
  return { account, bystander, things };
}

/** Erases the account up to where its partner must be asked. */
export async function untilAsked(place: AskedPlace, account: string): Promise<string> {
  const id = await start(place, account);
  const ended = await goOn(place, id);
  if (ended !== 'awaiting') throw new Error(`the partner should be asked, but the end is ${ended}`);
  return id;
}

/** The other system does what it has accepted, and acknowledges `times` times. */
export async function work(place: AskedPlace, times = 1): Promise<string[]> {
  const ids = (await place.system.work?.()) ?? [];
  for (const id of ids) for (let n = 0; n < times; n++) await acknowledge(place, id);
  return ids;
}

/** Goes on to the end. What is accepted is acknowledged `times` times. */
export async function finishCalls(place: AskedPlace, id: string, times = 1): Promise<Next['kind']> {
  for (let rounds = 0; rounds < 20; rounds++) {
    const ended = await goOn(place, id);
    // While answers are outstanding there is no step to be done.
    const waiting = ended === 'awaiting' || (await readErasure(place.sql, id)).state === 'awaiting';
    if (!waiting) return ended;
    await pump(place);
    await work(place, times);
  }
  throw new Error('still awaiting after 20 rounds');
}

/** Erases an account from the request to the end. */
export async function eraseAsked(place: AskedPlace, account: string): Promise<{ id: string; ended: Next['kind'] }> {
  const id = await start(place, account);
  return { id, ended: await finishCalls(place, id) };
}
