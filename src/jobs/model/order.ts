import type { z } from 'zod';
import { addOnce } from '../redis/add-once.ts';
import type { Contract, Order } from './job.ts';

/** A job as BullMQ takes it. Throws where the payload is not what the contract says. */
export const jobOf = <P extends z.ZodObject>(contract: Contract<string, P>, payload: z.infer<P>) => ({
  name: contract.name,
  queueName: contract.queue,
  data: contract.payload.parse(payload),
  opts: contract.options,
});

/** A job about one subject, which must not have two jobs at a time. For work that is safe to repeat. */
export function once<P extends z.ZodObject>(
  contract: Contract<string, P>,
  { what, subject, payload }: { what: string; subject: string; payload: z.infer<P> & Order['ids'] },
): Order {
  return {
    what,
    ids: payload,
    add: (producers) => addOnce(producers, producers.queues[contract.queue], subject, jobOf(contract, payload)),
  };
}
