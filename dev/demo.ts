import { setMaxListeners } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import { copyDatabase, timeSingleDelete } from './compare.ts';
import { checksumOthers, countRows, peakMemory, type Rows, readLedger, readMails } from './evidence.ts';
import { populate } from './reader.ts';
import { lethe, type Stack, startStack, stop, waitForPort } from './stack.ts';
import { type Status, watchErasure } from './watch.ts';

const say = (text = '') => console.log(text);
const number = (n: number) => n.toLocaleString('en-US');
const seconds = (ms: number) => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;

const wholeNumber = (text: string) => {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1000 || n > 20_000_000)
    throw new InvalidArgumentError('expected a whole number from 1000 to 20000000');
  return n;
};

const program = new Command('npm run demo --')
  .description('Erases a small and a large account of the sample reader application, on real Postgres and Redis.')
  .option('--once', 'check the result, stop, and exit 0 only if ledger, database and mail agree', false)
  .option('--posts <n>', 'posts of the large account', wholeNumber, 250_000)
  .option('--compare', 'also time one DELETE of the large account’s posts, on a copy of the same data', false)
  .exitOverride();

type Options = { once: boolean; posts: number; compare: boolean };
type Hero = { name: string; email: string; account: string; before: Rows; mails: number };

async function main(options: Options): Promise<boolean> {
  const stopping: (() => Promise<unknown>)[] = [];
  const cleanUp = async () => {
    for (const end of stopping.splice(0).reverse()) await end();
  };
  const interrupted = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  try {
    const finished = demonstrate(options, stopping, interrupted);
    return await Promise.race([finished, interrupted.then(() => true)]);
  } finally {
    await cleanUp();
  }
}

async function demonstrate(
  options: Options,
  stopping: (() => Promise<unknown>)[],
  interrupted: Promise<void>,
): Promise<boolean> {
  say('Starting Postgres and Redis …');
  const stack = await startStack(process.env.REDIS_URL);
  stopping.push(stack.stop);
  const migrated = lethe('migrate', stack.env);
  if ((await migrated.exited) !== 0) throw new Error(`lethe migrate failed:\n${migrated.output()}`);
  const [small, large] = await load(stack, options.posts);
  const others = [small.account, large.account];
  const untouched = await checksumOthers(stack.sql, others);
  const copy = options.compare ? await copyDatabase(stack) : undefined;

  const api = lethe('api', stack.env);
  const worker = lethe('worker', stack.env);
  stopping.push(() => Promise.all([stop(api), stop(worker)]));
  const base = `http://127.0.0.1:${await waitForPort(api)}`;
  const call = async (method: string, path: string, body?: object) => {
    const response = await fetch(base + path, {
      method,
      headers: { Authorization: `Bearer ${stack.apiKey}`, 'Content-Type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return { status: response.status, body: (await response.json()) as Status & { mode: string; statusUrl: string } };
  };

  say(`\n1. A small account (${number(small.before.posts)} posts): erased inside the request.`);
  let started = performance.now();
  const first = await call('POST', `/v1/accounts/${small.account}/erasure`, {});
  say(
    `   POST /v1/accounts/${small.account}/erasure → ${first.status} ${first.body.state} (${first.body.mode}) in ${seconds(performance.now() - started)}`,
  );

  say(
    `\n2. A large account (${number(large.before.posts)} posts, ${large.before.feeds} feeds): flag → sweep → workers.`,
  );
  const second = await call('POST', `/v1/accounts/${large.account}/erasure`, {});
  const [flagged] =
    await stack.sql`SELECT erasure_requested_at IS NOT NULL AS flagged FROM accounts WHERE id = ${large.account}`;
  const sessions = (await countRows(stack.sql, large.account)).sessions;
  say(
    `   POST → ${second.status} ${second.body.state}; flagged: ${flagged?.flagged}; sessions left: ${sessions}; starts at ${second.body.startsAt} (the sweep runs every 5 s here)`,
  );
  const status = () => call('GET', `/v1/erasures/${second.body.id}`).then((a) => a.body);
  while ((await status()).state === 'scheduled') await new Promise((resolve) => setTimeout(resolve, 50));
  started = performance.now();
  const limit = 60_000 + options.posts * 0.5;
  const done = await watchErasure(status, limit);
  const took = performance.now() - started;
  const rate = done.progress.rowsDeleted / (took / 1000);
  say(
    `   ${done.state}: ${number(done.progress.rowsDeleted)} rows in ${seconds(took)}, ${number(Math.round(rate))} rows/s; worker peak memory ${peakMemory(worker.pid) ?? '?'} MiB`,
  );
  if (copy) {
    const one = await timeSingleDelete(copy, large.account);
    say(
      `   one DELETE FROM posts on a copy of the same data: ${number(one.rows)} rows in ${seconds(one.seconds * 1000)}, ${number(Math.round(one.rows / one.seconds))} rows/s; whole erasure / one DELETE = ${(took / 1000 / one.seconds).toFixed(2)} ×`,
    );
  }

  await waitForMails(stack, [small, large]);
  const confirmation = readMails(stack.outbox).findLast((mail) => mail.to === large.email);
  say(`\n3. The confirmation mail (to ${confirmation?.to}):\n`);
  say((confirmation?.text ?? 'missing').replace(/^/gm, '   | '));
  say('4. Database against ledger:');
  const erasures = [first.body.id, second.body.id] as const;
  const agree = await check(stack, [small, large], erasures, others, untouched);

  if (options.once) return agree;
  say('\nOpen in the browser:');
  say(
    `   support page  ${base}/admin/erasures    sign in as ops (may act) or support (looks), password ${stack.password}`,
  );
  say(`   Bull Board    ${base}/admin/queues      the same login`);
  say(`   status page   ${base}${new URL(second.body.statusUrl).pathname}${new URL(second.body.statusUrl).search}`);
  say(`   mails         ${stack.outbox}`);
  say(`   database      ${stack.databaseUrl}`);
  say(`   API key       ${stack.apiKey}`);
  say('\nCtrl-C ends everything.');
  await interrupted;
  return agree;
}

async function load(stack: Stack, posts: number): Promise<[Hero, Hero]> {
  const started = performance.now();
  const heroes = [
    { name: 'small', email: 'small@example.com', posts: 400, feeds: 12 },
    { name: 'large', email: 'large@example.com', posts, feeds: 300 },
  ];
  const others = Array.from({ length: 20 }, (_, i) => ({
    email: `reader-${i}@example.com`,
    posts: 2_000 + 150 * i,
    feeds: 15,
  }));
  const ids = await populate(stack.sql, [...heroes, ...others]);
  await stack.sql`VACUUM ANALYZE`;
  const made = await Promise.all(
    heroes.map(async (hero, i) => ({
      ...hero,
      account: ids[i] as string,
      before: await countRows(stack.sql, ids[i] as string),
      mails: i + 1,
    })),
  );
  const total = [...heroes, ...others].reduce((sum, a) => sum + a.posts, 0);
  say(
    `Loaded the sample reader: ${ids.length} accounts, ${number(total)} posts, interleaved (${seconds(performance.now() - started)}).`,
  );
  return [made[0] as Hero, made[1] as Hero];
}

/** A small account gets one mail, a large one two: received and completed. */
async function waitForMails(stack: Stack, heroes: Hero[]): Promise<void> {
  const end = Date.now() + 30_000;
  const missing = () => heroes.some((h) => readMails(stack.outbox).filter((m) => m.to === h.email).length < h.mails);
  while (missing() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function check(
  stack: Stack,
  heroes: Hero[],
  erasures: readonly string[],
  others: string[],
  untouched: string,
): Promise<boolean> {
  let agree = true;
  const line = (ok: boolean, text: string) => {
    agree &&= ok;
    say(`   ${ok ? 'ok  ' : 'FAIL'} ${text}`);
  };
  for (const [i, hero] of heroes.entries()) {
    const left = await countRows(stack.sql, hero.account);
    const counted = await readLedger(stack.sql, erasures[i] as string);
    line(
      Object.values(left).every((n) => n === 0),
      `${hero.name}: nothing left (${Object.entries(left)
        .map(([t, n]) => `${t} ${n}`)
        .join(', ')})`,
    );
    line(
      Object.entries(hero.before).every(([table, n]) => counted[table] === n),
      `${hero.name}: the ledger counts what was there (${Object.entries(hero.before)
        .map(([t, n]) => `${t} ${counted[t]}/${n}`)
        .join(', ')})`,
    );
    const sent = readMails(stack.outbox).filter((m) => m.to === hero.email);
    line(
      sent.length === hero.mails && sent.some((m) => m.subject.includes('has been deleted')),
      `${hero.name}: ${sent.length} of ${hero.mails} mail(s)`,
    );
  }
  line((await checksumOthers(stack.sql, others)) === untouched, 'all other accounts are unchanged (checksum)');
  return agree;
}

setMaxListeners(50);
try {
  program.parse();
} catch (error) {
  process.exit((error as { exitCode?: number }).exitCode === 0 ? 0 : 2);
}
try {
  process.exit((await main(program.opts<Options>())) ? 0 : 1);
} catch (error) {
  process.stderr.write(`lethe: the demo failed: ${(error as Error).message}\n`);
  process.exit(1);
}
