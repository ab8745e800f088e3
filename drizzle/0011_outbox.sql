-- Custom SQL migration file. What is asked of partners that read from a bus and is not acknowledged yet, in the shape of
-- Debezium's outbox event router. Decision 024.
CREATE VIEW lethe.outbox AS
SELECT c.id,
       c.partner::varchar(255) AS aggregatetype,
       c.erasure_id::text::varchar(255) AS aggregateid,
       'lethe.erasure.requested'::varchar(255) AS type,
       jsonb_build_object(
         'specversion', '1.0', 'id', c.id, 'type', 'lethe.erasure.requested', 'time', e.requested_at,
         'data', jsonb_build_object(
           'task', c.id, 'erasure', c.erasure_id, 'partner', c.partner, 'accountKey', e.account_key,
           'requestedAt', e.requested_at)) AS payload
  FROM lethe.call c
  JOIN lethe.task t ON t.id = c.task_id
  JOIN lethe.erasure e ON e.id = c.erasure_id
 WHERE t.kind = 'event' AND c.state IN ('open', 'accepted') AND c.settled_at IS NULL AND c.sealed IS NULL
   AND e.held_at IS NULL AND e.account_key IS NOT NULL;
