import { sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Answer, Call, Sender } from '../../src/locations/asked.ts';
import type { Kind } from '../../src/locations/kind.ts';
import { task } from '../../src/store/schema.ts';
import type { AskedCheckName } from './asked-checks.ts';
import { plainDelete, plainKind, plainSender } from './asked-plain.ts';

const DONE: Answer = { kind: 'done', words: 'it says that it is done' };

/** Senders that do something else with calls or answers. */
const sending = (send: Sender['send']): Kind => plainKind({ sender: { send } });
const answering = (change: (answer: Answer, call: Call) => Answer): Kind =>
  sending(async (location, calls, signal) => {
    const answers = await plainSender.send(location, calls, signal);
    return answers.map((answer, n) => change(answer, calls[n] as Call));
  });
const asking = (change: (call: Call) => Call): Kind =>
  sending((location, calls, signal) => plainSender.send(location, calls.map(change), signal));

const isDone = (answer: Answer): answer is Extract<Answer, { kind: 'done' }> => answer.kind === 'done';
/** The account whose row was made next. */
const next = ({ id = '0' }: Call['account']) => ({ id: String(Number(id) + 1) });

const asked = new Set<string>();

/** Kinds that are broken in one way each, the check that must find it, and the problem that it must name. */
export const BROKEN_ASKED: Record<string, { found: AskedCheckName; says: RegExp; kind: Kind; late?: boolean }> = {
  'says that it is done and asks nobody': {
    found: 'erases',
    says: /^left: 30 /,
    kind: sending(async (_location, calls) => calls.map(() => DONE)),
  },
  'tells of a bystander, too': {
    found: 'leavesOthers',
    says: /^the checksum of a bystander/,
    kind: sending(async (location, calls, signal) => {
      await plainSender.send(
        location,
        calls.map((call) => ({ ...call, account: next(call.account) })),
        signal,
      );
      return plainSender.send(location, calls, signal);
    }),
  },
  'counts what was not there': {
    found: 'findsNothing',
    says: /^the ledger: 7 /,
    kind: answering((answer) => (isDone(answer) ? { ...answer, rows: 7 } : answer)),
  },
  'counts nothing': {
    found: 'counts',
    says: /^the ledger: 0 /,
    kind: answering((answer) => (isDone(answer) ? { ...answer, rows: 0 } : answer)),
  },
  'has another id for each try': {
    found: 'survivesKill',
    says: /^ids that it was told: /,
    kind: asking((call) => ({ ...call, id: uuidv7() })),
  },
  'tells everything twice': {
    found: 'toleratesRepeats',
    says: /^told by two at once: /,
    kind: sending(async (location, calls, signal) => {
      await plainSender.send(location, calls, signal);
      return plainSender.send(location, calls, signal);
    }),
  },
  'asks before anybody may': {
    found: 'stopsWhenHeld',
    says: /^requests and things while it is held: \[1,0\]/,
    kind: plainKind({
      carrier: {
        plan: async (tx, ctx, location, account, of) => {
          const call = { id: uuidv7(), account: { id: account[0] } } as unknown as Call;
          await plainSender.send(location as never, [call], AbortSignal.timeout(5_000));
          return plainDelete.plan(tx, ctx, location, account, of);
        },
      },
    }),
  },
  'takes no answer for an answer': {
    found: 'recovers',
    says: /^the call meanwhile: /,
    kind: answering((answer) => (answer.kind === 'later' ? DONE : answer)),
  },
  'never says that the partner is down': {
    found: 'recovers',
    says: /^the circuit: \[false/,
    kind: answering((answer) => (answer.kind === 'later' ? { ...answer, down: false } : answer)),
  },
  'asks once for each account and never again': {
    found: 'replays',
    says: /^left: 30 /,
    kind: sending(async (location, calls, signal) => {
      const fresh = calls.filter((call) => !asked.has(call.account.id as string));
      for (const call of fresh) asked.add(call.account.id as string);
      await plainSender.send(location, fresh, signal);
      return calls.map(() => DONE);
    }),
  },
  'gives its task to somebody else': {
    found: 'records',
    says: /^its owner: "nobody"/,
    kind: plainKind({
      carrier: {
        plan: async (tx, ctx, location, account, of) => {
          await tx.update(task).set({ owner: 'nobody' }).where(sql`id = ${of.taskId}`);
          return plainDelete.plan(tx, ctx, location, account, of);
        },
      },
    }),
  },
  'estimates more than it will ask': {
    found: 'looks',
    says: /^the estimate: /,
    kind: plainKind({ carrier: { estimate: async () => [{ rows: 30, chunks: 1 }] } }),
  },
  'asks while it looks': {
    found: 'looks',
    says: /^what has changed: /,
    kind: plainKind({
      kind: {
        look: async (ctx, account) => {
          const location = ctx.catalog.locations.find((l) => l.kind === 'http');
          const call = { id: uuidv7(), account: { id: account[0] } } as unknown as Call;
          await plainSender.send(location as never, [call], AbortSignal.timeout(5_000));
        },
      },
    }),
  },
  'takes it that what was accepted is done': {
    found: 'waits',
    says: /^the erasure before it is acknowledged: /,
    late: true,
    kind: answering((answer) => (answer.kind === 'accepted' ? DONE : answer)),
  },
};
