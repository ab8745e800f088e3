/**
 * The application's own traffic, as a process: point reads and inserts on other accounts. Each is sent when it is due,
 * whether or not the last one was answered (an open loop), and its latency counts from that moment. Told by messages:
 * `{ url, perSecond }` starts it, `stop` ends it and makes it answer with its samples.
 */
import postgres from 'postgres';
import { BYSTANDER } from './database.ts';

/** Milliseconds since 1970, on a clock that never jumps. */
const now = () => performance.timeOrigin + performance.now();

export type Sample = { at: number; ms: number };
type Start = { url: string; perSecond: number };

const samples: Sample[] = [];
let failed = 0;

async function start({ url, perSecond }: Start): Promise<() => Promise<void>> {
  const sql = postgres(url, { max: 20, onnotice: () => {}, connection: { application_name: 'reader' } });
  const owners = await sql<{ account: string; feed: string }[]>`
    SELECT account_id::text AS account, min(id)::text AS feed FROM feeds
     WHERE account_id IN (SELECT id FROM accounts WHERE email LIKE ${`${BYSTANDER}%`}) GROUP BY 1`;
  const posts = await sql<{ id: string }[]>`
    SELECT id::text FROM posts TABLESAMPLE SYSTEM (1)
     WHERE account_id IN (SELECT id FROM accounts WHERE email LIKE ${`${BYSTANDER}%`}) LIMIT 20000`;
  const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;
  const one = (n: number) => {
    if (n % 2 === 0) return sql`SELECT title, body FROM posts WHERE id = ${any(posts).id}`;
    const { account, feed } = any(owners);
    return sql`INSERT INTO posts (account_id, feed_id, title, body) VALUES (${account}, ${feed}, 'New', 'Probe')`;
  };
  // Connections and plans are there before the first sample counts.
  await Promise.all(Array.from({ length: 40 }, (_, n) => one(n)));
  const every = 1000 / perSecond;
  const begun = now();
  let sent = 0;
  const pending = new Set<Promise<unknown>>();
  const timer = setInterval(() => {
    for (; begun + sent * every <= now(); sent++) {
      const at = begun + sent * every;
      const asked = one(sent).then(
        () => samples.push({ at, ms: now() - at }),
        () => {
          failed += 1;
        },
      );
      pending.add(asked);
      void asked.finally(() => pending.delete(asked));
    }
  }, 1);
  return async () => {
    clearInterval(timer);
    await Promise.all(pending);
    await sql.end({ timeout: 5 });
  };
}

let stopped: (() => Promise<void>) | undefined;
process.on('message', async (message: Start | 'stop') => {
  if (message !== 'stop') {
    stopped = await start(message);
    process.send?.('started');
    return;
  }
  await stopped?.();
  process.send?.({ samples, failed }, () => process.exit(0));
});
process.on('disconnect', () => process.exit(1));
