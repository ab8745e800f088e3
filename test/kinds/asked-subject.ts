import type { Config } from '../../src/config.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { createWorld, READER_CATALOG, type Sql, type World } from '../support/world.ts';
import type { AskedCheckName } from './asked-checks.ts';
import { contextFor } from './subject.ts';

/** Another system that holds data of accounts: a real server of the test's own. Its data are *things*. */
export type System = {
  /** Its entry in the catalog, in one line of YAML. */
  readonly entry: string;
  /** Variables of the environment that its calls need. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gives each of the accounts `things` things. */
  add(sql: Sql, accounts: readonly string[], things: number): Promise<void>;
  /** Things of an account. */
  count(account: string): Promise<number>;
  /** Of everything that it holds of an account. */
  checksum(account: string): Promise<string>;
  /** Requests (or messages) that it has met, also those that failed. */
  requests(): Promise<number>;
  /** The ids of the calls that it was told of, one for each try. Null: what it is asked has no id. */
  told(): Promise<readonly string[] | null>;
  /** Makes each try fail as one of a system that is away, until the returned function is called. */
  fail(): Promise<() => Promise<unknown>>;
  /** Works off what it has accepted, and returns the ids to acknowledge. Absent: its answer says that it is done. */
  work?(): Promise<string[]>;
  close(): Promise<unknown>;
};

/** One kind that is asked, as the exercise sees it. The outcome of such a kind is to delete. */
export type AskedSubject = {
  readonly kind: string;
  readonly outcome: 'delete';
  /** Name of the location: that of the partner in `entry`. */
  readonly location: string;
  /** Starts the other system. `redis`: where the worlds' events are. */
  open(): Promise<System>;
  /** Told once the world is there: a system that reads from its Redis begins here. */
  meet?(system: System, world: World): Promise<void>;
  /** What the ledger says when so many things of an account went. */
  counted(things: number): number;
  /** The context with the kind in it. Also called in the process that is killed. */
  contextOf(ctx: Context): Context;
  /** Made before the catalog is read: tables that the entry names. */
  readonly schema?: string;
  /** Entries of such tables. */
  readonly tables?: string;
  /** Checks that cannot apply, each with the reason. */
  readonly without?: Partial<Record<AskedCheckName, string>>;
};

/** A subject in a database of its own, with its system. */
export type AskedPlace = {
  subject: AskedSubject;
  name: string;
  system: System;
  world: World;
  sql: Sql;
  ctx: Context;
  config: Config;
  close(): Promise<void>;
};

/** A world is a database and a prefix in Redis; calls wait for nobody but the test. */
const SETTINGS = { LETHE_RECONCILE_INTERVAL: '1m', LETHE_PRIVATE_HOSTS: '127.0.0.1' };

/** Starts a subject's system and opens a world whose catalog has it. */
export async function openAsked(name: string, subject: AskedSubject): Promise<AskedPlace> {
  const system = await subject.open();
  const catalog = `${READER_CATALOG}${subject.tables ?? ''}  - ${system.entry}\n`;
  const world = await createWorld({ env: { ...SETTINGS, ...system.env }, catalog }).catch(async (error) => {
    await system.close();
    throw error;
  });
  const close = async () => {
    await world.close();
    await system.close();
  };
  try {
    if (subject.schema) await world.sql.unsafe(subject.schema);
    await subject.meet?.(system, world);
    const ctx = contextFor(subject, await world.domain());
    return { subject, name, system, world, sql: world.sql, ctx, config: world.config('worker'), close };
  } catch (error) {
    await close();
    throw error;
  }
}
