import { createRoute, z } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { acknowledgeCalls, type Said } from '../../erasure/calls/acknowledge.ts';
import { LetheError } from '../../errors.ts';
import { requireTaskToken } from '../access/task-token.ts';
import { Acknowledged, Acknowledgement, TaskId } from '../bodies/schemas.ts';
import { withDeadline } from '../server/deadline.ts';
import { jsonBody } from '../server/json-body.ts';
import { parse } from '../server/problem.ts';
import { together } from '../server/together.ts';
import { noStore, problems, TASK_TOKEN } from './contract.ts';
import { DEADLINE_MS } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

/** Acknowledgements that one transaction settles. */
const MOST_TOGETHER = 250;

export const acknowledgeTaskRoute = createRoute({
  method: 'post',
  path: '/v1/tasks/{id}/ack',
  operationId: 'acknowledgeTask',
  tags: ['partners'],
  summary: 'Acknowledge what a message asked for',
  description:
    'For partners that answered `202`, or read the message from a bus: its `data.acknowledge` has this URL and the token. ' +
    'Acknowledge again when the answer was lost: it changes nothing. `failed` is tried again later, with the same id.',
  security: [TASK_TOKEN],
  request: {
    params: z.object({ id: TaskId.openapi({ param: { name: 'id', in: 'path' } }) }),
    body: { content: { 'application/json': { schema: Acknowledgement } }, required: true },
  },
  responses: {
    200: {
      description: 'It is recorded, or was already.',
      headers: noStore,
      content: { 'application/json': { schema: Acknowledged } },
    },
    ...problems('not_found', 'contended'),
  },
});

/** `POST /v1/tasks/{id}/ack`. What arrives together is settled together. */
export function serveAcknowledgeTask(app: ApiApp, { ctx, auth, enqueue }: Parts): void {
  const acknowledge = together(MOST_TOGETHER, async (said: readonly Said[]) => {
    const { heard, dispatches } = await acknowledgeCalls(ctx, said);
    for (const dispatch of dispatches) void enqueue.dispatch(dispatch);
    return heard;
  });

  /** Runs before the validators: who may not do it learns nothing about what would be valid. */
  const onlyWithToken = createMiddleware(async (c, next) => {
    await requireTaskToken(c, auth, parse(TaskId, c.req.param('id'), 'id'));
    await next();
  });

  app.openapi({ ...acknowledgeTaskRoute, middleware: [onlyWithToken, jsonBody] as const }, async (c) => {
    const id = c.req.valid('param').id.toLowerCase();
    const { task, status, reason } = c.req.valid('json');
    if (task !== undefined && task.toLowerCase() !== id)
      throw new LetheError('invalid_request', 'task: expected the id of the path', { field: 'task' });
    const heard = await withDeadline(DEADLINE_MS, acknowledge({ id, status, reason }));
    if (heard === 'unknown') throw new LetheError('not_found', 'there is no such task');
    c.header('Cache-Control', 'no-store');
    return c.json({ task: id, settled: heard === 'settled' }, 200);
  });
}
