import { sql } from 'drizzle-orm';
import type { Carrier, ChunkWork, Claim, Kind } from '../../src/locations/kind.ts';
import { OWN_TABLES } from '../../src/store/limits.ts';
import { chunk } from '../../src/store/schema.ts';
import { transaction } from '../../src/store/transaction.ts';
import type { CheckName } from './checks.ts';
import { ELSEWHERE, late } from './late.ts';

const whole = late.outcomes.delete as Carrier;
const provesNothing: Carrier['prove'] = async () => [];
const breaking = (part: Partial<Carrier>): Kind => ({
  ...late,
  outcomes: { ...late.outcomes, delete: { ...whole, ...part } },
});
/** Its steps with something done afterwards. */
const after =
  (statement: ReturnType<typeof sql>): Carrier['step'] =>
  async (ctx, work) => {
    const slice = await whole.step(ctx, work);
    if (slice) await ctx.db.execute(statement);
    return slice;
  };
/** Its steps with other numbers in the ledger. */
const recording =
  (change: (done: Parameters<ChunkWork['record']>[1]) => Partial<typeof done>): Carrier['step'] =>
  (ctx, work) =>
    whole.step(ctx, { ...work, record: (tx, done) => work.record(tx, { ...done, ...change(done) }) });
/** Its steps when it goes on although the chunk must not run now. */
const insisting =
  (cursorOf: (work: ChunkWork) => ReturnType<typeof sql>): Carrier['step'] =>
  (ctx, work) =>
    whole.step(ctx, {
      ...work,
      claim: async (tx) => {
        const claim = await work.claim(tx);
        if (claim) return claim;
        const [row] = await tx.execute<{ cursor: string[] | null }>(cursorOf(work));
        const own: Claim = { upper: ['all'], left: 0, early: false, limit: 100, skipLocked: false, cursor: null };
        return { ...own, cursor: row?.cursor ?? null };
      },
    });

/** Kinds that are broken in one way each, the check that must find it, and the problem that it must name. */
export const BROKEN: Record<string, { found: CheckName; says: RegExp; kind: Kind }> = {
  'leaves a row': {
    found: 'erases',
    says: /^left in elsewhere: 1 /,
    kind: breaking({
      step: async (ctx, work) => {
        const slice = await whole.step(ctx, work);
        if (slice?.finished)
          await ctx.db.execute(sql`INSERT INTO elsewhere.record (account) VALUES (${work.account[0]})`);
        return slice;
      },
      prove: provesNothing,
    }),
  },
  'takes a row of a bystander': {
    found: 'leavesOthers',
    says: /^the checksum of a bystander/,
    kind: breaking({
      step: after(sql`DELETE FROM elsewhere.record WHERE id = (SELECT max(id) FROM elsewhere.record)`),
    }),
  },
  'counts what was not there': {
    found: 'findsNothing',
    says: /^the ledger: .*:1}/,
    kind: breaking({
      plan: async (tx, ctx, location, account, of) => {
        const planned = await whole.plan(tx, ctx, location, account, of);
        if (planned.rows > 0) return planned;
        await tx.insert(chunk).values({ taskId: of.taskId, pass: of.pass, number: 1, upper: ['all'], rowsPlanned: 1 });
        return { rows: 1, chunks: 1 };
      },
      step: recording(({ rows }) => ({ rows: Math.max(1, rows) })),
    }),
  },
  'counts twice': {
    found: 'counts',
    says: /^the ledger: .*:1200}/,
    kind: breaking({ step: recording(({ rows }) => ({ rows: 2 * rows })) }),
  },
  'counts nothing': {
    found: 'counts',
    says: /^the ledger: .*:0}/,
    kind: breaking({ step: recording(() => ({ rows: 0 })) }),
  },
  'forgets what a killed process has done': {
    found: 'survivesKill',
    says: /^the ledger: .*:500}/,
    kind: breaking({
      step: async (ctx, work) => {
        await ctx.db.execute(sql`DELETE FROM elsewhere.told`);
        return whole.step(ctx, work);
      },
    }),
  },
  'does again what is done': {
    found: 'toleratesRepeats',
    says: /^the ledger/,
    kind: breaking({ step: insisting(() => sql`SELECT NULL AS cursor`) }),
  },
  'goes on while it is held': {
    found: 'stopsWhenHeld',
    says: /^rows while it is held: .*:0}/,
    kind: breaking({ step: insisting((work) => sql`SELECT cursor FROM lethe.chunk WHERE id = ${work.chunkId}`) }),
  },
  'keeps a refusal to itself': {
    found: 'replays',
    says: /^the end with something in the way: \["awaiting/,
    kind: breaking({
      step: (ctx, work) =>
        whole.step(ctx, work).catch(() =>
          transaction(ctx.db, OWN_TABLES, async (tx) => {
            if (!(await work.claim(tx))) return null;
            await work.record(tx, { rows: 0, finished: true, awaiting: true });
            return { finished: true, rows: 0, full: false };
          }),
        ),
      prove: provesNothing,
    }),
  },
  'plans in silence': {
    found: 'records',
    says: /^rows in the status: .*planned.:0/,
    kind: breaking({ plan: async (...of) => ({ ...(await whole.plan(...of)), rows: 0 }) }),
  },
  'estimates one row too many': {
    found: 'looks',
    says: /^the estimate: .*:601/,
    kind: breaking({
      estimate: async (...of) => (await whole.estimate(...of)).map((e) => ({ ...e, rows: (e.rows ?? 0) + 1 })),
    }),
  },
  'deletes while it looks': {
    found: 'looks',
    says: /^the checksum of the database/,
    kind: {
      ...late,
      look: async ({ db }, [account]) => {
        await db.execute(sql`DELETE FROM elsewhere.record WHERE account <> ${account}`);
      },
    },
  },
  [`takes it that ${ELSEWHERE} has answered`]: {
    found: 'waits',
    says: /^the end of the asking: .completed/,
    kind: breaking({ step: recording(() => ({ awaiting: false })) }),
  },
};
