import { Redis } from 'ioredis';
import { startRedis } from '../../dev/redis.ts';
import type { Kind } from '../../src/locations/kind.ts';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import { ELSEWHERE } from './asked-http.ts';
import type { AskedSubject, System } from './asked-subject.ts';
import { Things } from './asked-things.ts';

const STREAM = 'elsewhere';
const URL_VARIABLE = 'ELSEWHERE_EVENTS';

/** A partner that reads events from a Redis of its own, and erases when it works. */
async function startReader(): Promise<System> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const things = new Things();
  let from = '-';
  return {
    entry: `{ partner: ${ELSEWHERE}, owner: others, sla: 12h, event: { stream: ${STREAM} } }`,
    env: { [URL_VARIABLE]: server.url },
    add: async (_sql, accounts, count) => things.add(accounts, count),
    count: async (account) => things.count(account),
    checksum: async (account) => things.checksum(account),
    // Also those that Redis refused.
    requests: async () => Number(/cmdstat_xadd:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0),
    told: async () => (await redis.xrange(STREAM, '-', '+')).map(([, fields]) => fields[1] as string),
    fail: async () => {
      await redis.rename(STREAM, `${STREAM}-aside`).catch(() => {});
      await redis.set(STREAM, 'something else');
      return async () => {
        await redis.del(STREAM);
        await redis.rename(`${STREAM}-aside`, STREAM).catch(() => {});
      };
    },
    work: async () => {
      const entries = await redis.xrange(STREAM, from, '+');
      from = entries.length > 0 ? `(${entries.at(-1)?.[0]}` : from;
      return entries.map(([, fields]) => {
        const { id, data } = JSON.parse(fields[5] as string) as { id: string; data: { account: { id: string } } };
        things.forget(data.account.id);
        return id;
      });
    },
    close: async () => {
      redis.disconnect();
      await server.destroy();
    },
  };
}

const { event } = KINDS;
/** The kind as it is, with its bus where the system reads. */
const kind = {
  ...event,
  outside: event.outside && {
    ...event.outside,
    open: (tools: Parameters<NonNullable<Kind['outside']>['open']>[0]) =>
      event.outside?.open({ ...tools, eventsUrl: tools.variable(URL_VARIABLE) }),
  },
} as unknown as Kind;

/** Partners that read from a bus. One call is one item in the ledger. */
export const eventSubject = (): AskedSubject => ({
  kind: 'event',
  outcome: 'delete',
  location: ELSEWHERE,
  open: startReader,
  counted: () => 1,
  contextOf: (ctx) => ({ ...ctx, kinds: { ...ctx.kinds, event: kind } }),
});
