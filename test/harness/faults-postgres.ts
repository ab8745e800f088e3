import type { Fault, Scene } from './fault.ts';
import { send } from './signal.ts';

const OURS = "application_name LIKE 'lethe-%' AND datname = current_database()";

async function pidsOf({ sql }: Scene): Promise<number[]> {
  const rows = await sql.unsafe<{ pid: number }[]>(`SELECT pid FROM pg_stat_activity WHERE ${OURS} ORDER BY pid`);
  return rows.map((row) => row.pid);
}

/** What happens to the server itself. */
export const POSTGRES_FAULTS: readonly Fault[] = [
  {
    name: 'postgres-restarted',
    what: 'a fast shutdown and a start',
    on: 'time',
    do: async (scene) => {
      scene.killed();
      await scene.cluster.restart('SIGINT');
      return null;
    },
  },
  {
    name: 'postgres-crashed',
    what: 'an immediate shutdown, and recovery at the start',
    on: 'time',
    do: async (scene) => {
      scene.killed();
      await scene.cluster.restart('SIGQUIT');
      return null;
    },
  },
  {
    name: 'postgres-session-killed',
    what: 'kill -9 of one of our sessions in the server, which recovers from it',
    on: 'time',
    do: async (scene, draw) => {
      const pids = await pidsOf(scene);
      if (pids.length > 0 && send(draw.pick(pids), 'SIGKILL')) scene.killed();
      return null;
    },
  },
  {
    name: 'sessions-terminated',
    what: 'pg_terminate_backend() on all our sessions',
    on: 'time',
    do: async (scene) => {
      await scene.sql.unsafe(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OURS}`);
      return null;
    },
  },
  {
    name: 'statements-cancelled',
    what: 'pg_cancel_backend() on all our sessions, a few times',
    on: 'time',
    do: async (scene, draw) => {
      for (let i = draw.integer(1, 20); i > 0; i--)
        await scene.sql.unsafe(`SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE ${OURS}`);
      return null;
    },
  },
  {
    name: 'postgres-frozen',
    what: 'the server and our sessions in it stand still: it accepts connections and says nothing',
    on: 'time',
    do: async (scene, draw) => {
      await scene.cluster.freeze(await pidsOf(scene), draw.pick([500, 2_000, 5_000]));
      return null;
    },
  },
  {
    name: 'failover',
    what: 'the primary dies and its synchronous standby takes over, at another address',
    on: 'time',
    cluster: 'pair',
    do: async (scene) => {
      if (await scene.cluster.failOver()) scene.killed();
      return null;
    },
  },
  {
    name: 'disk-full',
    what: 'the disk of Postgres is full: a small file system of its own, filled to the last bytes',
    on: 'time',
    cluster: 'small',
    do: async (scene, draw) => {
      const { cluster } = scene;
      cluster.ballast?.fill(draw.pick([0, 65_536, 1_048_576]));
      return async () => {
        cluster.ballast?.clear();
        await cluster.revive();
      };
    },
  },
  {
    name: 'short-limits',
    what: 'the database has a short statement_timeout and lock_timeout of its own',
    on: 'time',
    do: async (scene, draw) => {
      const { sql, database } = scene;
      const ms = draw.pick([20, 100, 500]);
      const set = async (value: string) => {
        await sql.unsafe(`ALTER DATABASE ${database} ${value.replace('$', 'statement_timeout')}`);
        await sql.unsafe(`ALTER DATABASE ${database} ${value.replace('$', 'lock_timeout')}`);
        // What is set counts for sessions from now on.
        await sql.unsafe(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OURS}`);
      };
      await set(`SET $ = '${ms}ms'`);
      return () => set('RESET $');
    },
  },
  {
    name: 'other-isolation',
    what: 'the database has another default isolation level',
    on: 'time',
    do: async (scene, draw) => {
      const { sql, database } = scene;
      const level = draw.pick(['repeatable read', 'serializable']);
      const renew = () => sql.unsafe(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OURS}`);
      await sql.unsafe(`ALTER DATABASE ${database} SET default_transaction_isolation = '${level}'`);
      await renew();
      return async () => {
        await sql.unsafe(`ALTER DATABASE ${database} RESET default_transaction_isolation`);
        await renew();
      };
    },
  },
  {
    name: 'pooler-killed',
    what: 'kill -9 of PgBouncer, and a start',
    on: 'time',
    pooled: true,
    do: async (scene) => {
      if (scene.pooler) scene.killed();
      await scene.pooler?.restart();
      return null;
    },
  },
];
