import { sql } from 'drizzle-orm';
import type { Catalog, TableName } from '../catalog/live/types.ts';
import type { Database } from '../store/client.ts';
import { transaction } from '../store/transaction.ts';

/** What the database says about itself at one moment. Null: this role may not see it. */
export type Pressure = {
  /** Where the log is flushed to, in bytes since its beginning: what a standby can have. */
  lsn: number;
  /** Physical standbys that are connected: how far each has replayed, and what the server measured, in seconds. */
  replicas: { replayed: number; lag: number | null }[] | null;
  /** Sessions of others that wait for a lock of ours. */
  waiting: number | null;
  checkpoints: { requested: number; timed: number; walBytes: number; warningSeconds: number };
  connections: { used: number; usable: number };
  /** Tables of the catalog: dead rows over what makes autovacuum come, and whether a vacuum is at work. */
  tables: { name: string; dead: number; threshold: number; vacuuming: boolean }[];
  /** How often autovacuum looks at a database. */
  naptimeSeconds: number;
};

/** Reading the signals must never be what overloads the database. */
const READING = { statementMs: 1_000, lockMs: 200 } as const;
/** A wait that is shorter hurts nobody; a slice gives way after milliseconds by itself. */
const WAITED = "interval '50 milliseconds'";
/** Sessions of Lethe, whatever their role. */
const OURS = "application_name LIKE 'lethe-%'";

/** Reads all signals in one statement, as a role without rights sees them. Throws when it takes longer than a second. */
export async function readPressure(db: Database, catalog: Catalog): Promise<Pressure> {
  return transaction(db, READING, async (tx) => {
    const [version] = await tx.execute<{ number: number }>(
      sql`SELECT current_setting('server_version_num')::int AS number`,
    );
    const [row] = await tx.execute<Pressure>(statement(catalog, version?.number ?? 0));
    return row as Pressure;
  });
}

const statement = (catalog: Catalog, version: number) => sql`
  SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::numeric AS lsn,
         (${REPLICAS}) AS replicas, (${WAITING}) AS waiting,
         (${checkpoints(version)}) AS checkpoints, (${CONNECTIONS}) AS connections,
         (${tables([...catalog.tables, catalog.account])}) AS tables,
         extract(epoch FROM current_setting('autovacuum_naptime')::interval)::numeric AS "naptimeSeconds"`;

/**
 * Without the right to see them, walsenders have no state. A logical subscriber is not counted: it may
 * be silent for hours because nothing of this concerns it. Neither is one that replays nothing (pg_receivewal).
 */
const REPLICAS = sql`
  SELECT CASE WHEN bool_or(r.state IS NULL) THEN NULL ELSE
           coalesce(jsonb_agg(jsonb_build_object('replayed', pg_wal_lsn_diff(r.replay_lsn, '0/0')::numeric,
                                                 'lag', extract(epoch FROM r.replay_lag)::numeric))
                      FILTER (WHERE r.state IN ('streaming', 'catchup') AND r.replay_lsn IS NOT NULL
                                    AND s.slot_type IS DISTINCT FROM 'logical'), '[]') END
    FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid`;

/**
 * Counts those who queue behind a session that waits for ours, too. Of many that want one row, only the first is
 * blocked by whoever has it locked. pg_blocking_pids() takes every lock partition for a moment, so it is asked only
 * about sessions that wait.
 */
const WAITING = sql.raw(`
  WITH RECURSIVE session AS MATERIALIZED (
         SELECT pid, usesysid, ${OURS} AS ours, wait_event_type = 'Lock' AS waits
           FROM pg_stat_activity WHERE datname = current_database()),
       waiting AS MATERIALIZED (SELECT pid, ours, pg_blocking_pids(pid) AS blockers FROM session WHERE waits),
       queue AS (SELECT pid FROM session WHERE ours
                 UNION SELECT w.pid FROM waiting w JOIN queue q ON q.pid = ANY (w.blockers)),
       counted AS (
         SELECT count(*)::int AS n FROM waiting w
          WHERE NOT ours AND pid IN (SELECT pid FROM queue)
            AND (SELECT min(l.waitstart) FROM pg_locks l WHERE l.pid = w.pid AND NOT l.granted)
                  < clock_timestamp() - ${WAITED})
  SELECT CASE WHEN n = 0 AND NOT pg_has_role('pg_read_all_stats', 'USAGE')
                   AND EXISTS (SELECT 1 FROM session WHERE NOT pg_has_role(usesysid, 'USAGE'))
              THEN NULL ELSE n END
    FROM counted`);

/** WAL bytes after which the server forces a checkpoint, which is less than max_wal_size. */
const checkpoints = (version: number) =>
  sql.raw(`
  SELECT jsonb_build_object(
           'requested', ${version >= 170_000 ? 'num_requested' : 'checkpoints_req'},
           'timed', ${version >= 170_000 ? 'num_timed' : 'checkpoints_timed'},
           'walBytes', pg_size_bytes(current_setting('max_wal_size'))
                         / (1 + current_setting('checkpoint_completion_target')::numeric),
           'warningSeconds', extract(epoch FROM current_setting('checkpoint_warning')::interval)::numeric)
    FROM ${version >= 170_000 ? 'pg_stat_checkpointer' : 'pg_stat_bgwriter'}`);

const CONNECTIONS = sql.raw(`
  SELECT jsonb_build_object(
           'used', coalesce(sum(numbackends), 0)::int,
           'usable', current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                       - coalesce(current_setting('reserved_connections', true)::int, 0))
    FROM pg_stat_database`);

/**
 * Autovacuum's own rule, with the options of the table. A role that may not see what a vacuum works on counts every
 * vacuum.
 */
const tables = (names: readonly TableName[]) => {
  const option = (name: string) =>
    sql.raw(`coalesce((SELECT option_value FROM pg_options_to_table(c.reloptions) WHERE option_name = '${name}'),
                      current_setting('${name}'))::numeric`);
  return sql`
  SELECT coalesce(jsonb_agg(jsonb_build_object(
           'name', format('%I.%I', n.nspname, c.relname), 'dead', s.n_dead_tup,
           'threshold', ${option('autovacuum_vacuum_threshold')}
                          + ${option('autovacuum_vacuum_scale_factor')} * greatest(c.reltuples, 0)::numeric,
           'vacuuming', EXISTS (SELECT 1 FROM pg_stat_progress_vacuum p
                                 WHERE p.datname = current_database() AND coalesce(p.relid, c.oid) = c.oid))), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_stat_all_tables s ON s.relid = c.oid
   WHERE (n.nspname, c.relname) IN (
     SELECT v ->> 0, v ->> 1 FROM jsonb_array_elements(${JSON.stringify(names.map((t) => [t.schema, t.table]))}::text::jsonb) AS v)`;
};
