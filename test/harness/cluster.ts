import { setTimeout as pause } from 'node:timers/promises';
import postgres, { type Sql } from 'postgres';
import { type PostgresServer, startPostgres, startStandby } from '../../dev/postgres.ts';
import { createTemplate, TEMPLATE } from '../support/template.ts';
import { send } from './signal.ts';
import { type Ballast, mountSmallDisk } from './small-disk.ts';

/** A crash of the server loses nothing that the operating system has: only a crash of the machine would. */
const SETTINGS = { fsync: 'off', shared_buffers: '64MB', max_connections: '300', max_prepared_transactions: '10' };
const SMALL = { ...SETTINGS, shared_buffers: '16MB', max_wal_size: '64MB', min_wal_size: '32MB' };

/** `pair`: with a standby that takes over. `small`: on a disk that can be filled. */
export type Kind = 'single' | 'pair' | 'small';

/** Postgres as a run sees it: where it is now, and what can happen to it. */
export class Cluster {
  readonly kind: Kind;
  readonly ballast: Ballast | undefined;
  private server: PostgresServer;
  private standby: PostgresServer | undefined;
  private readonly all: PostgresServer[];
  private queue: Promise<unknown> = Promise.resolve();

  private constructor(kind: Kind, server: PostgresServer, standby?: PostgresServer, ballast?: Ballast) {
    this.kind = kind;
    this.server = server;
    this.standby = standby;
    this.ballast = ballast;
    this.all = standby ? [server, standby] : [server];
  }

  static async start(kind: Kind): Promise<Cluster> {
    const disk = kind === 'small' ? mountSmallDisk() : undefined;
    const server = await startPostgres(kind === 'small' ? SMALL : SETTINGS, undefined, disk?.folder);
    await createTemplate(server);
    if (kind !== 'pair') return new Cluster(kind, server, undefined, disk);
    const standby = await startStandby(server, SETTINGS);
    // What is committed must survive the failover: nothing else could be checked afterwards.
    await withServer(server.url(), async (sql) => {
      await sql`ALTER SYSTEM SET synchronous_standby_names = '*'`;
      await sql`SELECT pg_reload_conf()`;
    });
    return new Cluster(kind, server, standby);
  }

  port(): number {
    return Number(new URL(this.server.url()).port);
  }

  url(database: string): string {
    return this.server.url(database);
  }

  async createDatabase(name: string): Promise<void> {
    await withServer(this.server.url(), (sql) => sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`));
  }

  async dropDatabase(name: string): Promise<void> {
    await withServer(this.server.url(), (sql) => sql.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  }

  /** `SIGINT` is a fast shutdown, `SIGQUIT` an immediate one with crash recovery at the start. */
  restart(signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    return this.alone(async () => {
      await this.server.stop(signal);
      // On a full disk it does not come up; it is revived when there is room again.
      await this.server.start().catch((error) => {
        if (this.kind !== 'small') throw error;
      });
    });
  }

  /** Stands still for a while, with these sessions of it. */
  freeze(sessions: readonly number[], ms: number): Promise<void> {
    return this.alone(async () => {
      const pids = [...sessions, this.server.pid()];
      for (const pid of pids) send(pid, 'SIGSTOP');
      await pause(ms);
      for (const pid of pids) send(pid, 'SIGCONT');
    });
  }

  /** Starts it where it has ended by itself. */
  revive(): Promise<void> {
    return this.alone(async () => {
      try {
        await withServer(this.server.url(), (sql) => sql`SELECT 1`);
      } catch {
        await this.server.stop('SIGQUIT');
        await this.server.start();
      }
    });
  }

  /** The primary dies and the standby takes over; the old one never comes back. False: there is none, or it has taken over. */
  failOver(): Promise<boolean> {
    return this.alone(async () => {
      const { standby } = this;
      if (!standby) return false;
      this.standby = undefined;
      await this.server.stop('SIGQUIT');
      await withServer(standby.url(), (sql) => sql`SELECT pg_promote(true, 30)`);
      this.server = standby;
      return true;
    });
  }

  async destroy(): Promise<void> {
    for (const server of this.all) await server.destroy();
    this.ballast?.unmount();
  }

  /** Two faults must not start and stop the server at the same time. */
  private alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.queue.then(work, work);
    this.queue = done.catch(() => {});
    return done;
  }
}

/** Runs `work` on a connection of its own. */
export async function withServer<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, connect_timeout: 3, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 2 });
  }
}
