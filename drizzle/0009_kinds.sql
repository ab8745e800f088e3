-- A task is of any kind, and has one of the four outcomes. The rows that are there need not be read for that: NOT VALID.
ALTER TABLE "lethe"."task" DROP CONSTRAINT "task_kind";--> statement-breakpoint
ALTER TABLE "lethe"."task" ADD CONSTRAINT "task_action" CHECK (action IN ('delete', 'set', 'keep', 'refuse')) NOT VALID;--> statement-breakpoint
ALTER TABLE "lethe"."task" ADD CONSTRAINT "task_kind" CHECK (kind ~ '^[a-z][a-z0-9-]*$') NOT VALID;--> statement-breakpoint
-- What one erasure's tasks have behind and before them, as a JSON array in the order in which they are erased.
-- A function, because each session keeps its plan: planned anew for each status read it costs more than it takes to
-- run, and prepared statements do not pass every pooler. The version before leaves out the fields that it does not know.
CREATE OR REPLACE FUNCTION lethe.progress_of(wanted uuid) RETURNS json LANGUAGE plpgsql STABLE
-- A plan that was kept since the ledger was small must not read all of it.
SET enable_seqscan = off
-- The numbers in its JSON are doubles, which a database's or role's extra_float_digits rounds to one digit where it likes to.
SET extra_float_digits = 1 AS $$
BEGIN
  RETURN (
    SELECT json_agg(progress) FROM (
      SELECT t.location AS name, t.kind, t.action, t.kind = 'account' AS account, t.owner, t.state, t.last_error AS "lastError",
             t.rows_planned::float8 AS planned, ledger.*,
             (SELECT p.rows / p.ms FROM lethe.throughput p WHERE p.location = t.location) AS rate,
             (SELECT p.slots FROM lethe.pace p WHERE p.sampled_at > now() - interval '60 seconds') AS slots
        FROM lethe.task t CROSS JOIN LATERAL (
             SELECT coalesce(sum(c.rows_deleted), 0)::float8 AS deleted,
                    coalesce(sum(CASE WHEN c.finished_at IS NULL THEN least(c.rows_deleted, c.rows_planned)
                                      ELSE c.rows_planned END), 0)::float8 AS through,
                    -- The account's own row is planned with its task, and not in a chunk.
                    coalesce(sum(c.rows_planned) FILTER (WHERE c.pass = 0 AND t.kind <> 'account'), 0)::float8 AS outside,
                    count(*) FILTER (WHERE c.finished_at IS NULL)::int AS chunks
               FROM lethe.chunk c WHERE c.task_id = t.id) ledger
       WHERE t.erasure_id = wanted ORDER BY t.stage, t.location) progress);
END $$;
