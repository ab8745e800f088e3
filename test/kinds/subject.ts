import type { Outcome } from '../../src/catalog/live/types.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import type { Dispatch } from '../../src/erasure/model/dispatch.ts';
import type { Resources } from '../../src/resources.ts';
import { createWorld, type Sql, type World } from '../support/world.ts';
import type { CheckName } from './checks.ts';

/** Rows by the name of their location. */
export type Rows = Record<string, number>;

/** One kind and one outcome as the exercise sees them. */
export type Subject = {
  readonly kind: string;
  readonly outcome: Outcome;
  /** Name of the location whose chunks are killed, repeated and held. */
  readonly location: string;
  /** Makes what the kind works on, in a database that has the reader's tables. */
  readonly schema: string;
  /** Text of the catalog. */
  readonly catalog: string;
  /** The context with the kind and its location in it. Also called in the process that is killed. */
  contextOf(ctx: Context): Context;
  /** Gives each of the accounts `rows` rows in each location, mixed with those of the others. */
  add(sql: Sql, accounts: readonly string[], rows: number): Promise<void>;
  /** Rows of an account where the outcome does not hold yet: all of them before, 0 after. */
  count(sql: Sql, account: string): Promise<Rows>;
  /** Of everything that the locations hold of an account. */
  checksum(sql: Sql, account: string): Promise<string>;
  /** Makes each step of the location fail for good, until the returned function is called. */
  obstruct(sql: Sql, account: string): Promise<() => Promise<unknown>>;
  /** Answers late, as the other system does. Absent: the step itself is the answer. Returns the step that it began. */
  answer?(ctx: Context, erasureId: string): Promise<Dispatch | null>;
  /** Checks that cannot apply, each with the reason. */
  readonly without?: Partial<Record<CheckName, string>>;
};

/** A subject in a database of its own. */
export type Place = { subject: Subject; name: string; world: World; sql: Sql; ctx: Context };

/** Chunks of 250 rows. */
const SETTINGS = { LETHE_CHUNK_ROWS: '250', LETHE_RECONCILE_INTERVAL: '1m' };

/**
 * A context of the subject's. Slices have time enough: one that is slow for once must not give way. The drift is that of
 * now: what the process sees later would come and go at a moment of its own.
 */
export function contextFor(subject: Pick<Subject, 'contextOf'>, { ctx }: Pick<Resources, 'ctx'>): Context {
  const adapted = subject.contextOf(ctx);
  return { ...adapted, drift: { ...adapted.drift }, settings: { ...adapted.settings, lockBudgetMs: 5_000 } };
}

/** Opens the subject that `subjects.ts` knows by this name. */
export async function openPlace(name: string, subject: Subject): Promise<Place> {
  const world = await createWorld({ env: SETTINGS, catalog: subject.catalog });
  try {
    await world.sql.unsafe(subject.schema);
    return { subject, name, world, sql: world.sql, ctx: contextFor(subject, await world.domain()) };
  } catch (error) {
    await world.close();
    throw error;
  }
}
