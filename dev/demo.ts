import { setMaxListeners } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import { copyDatabase, timeSingleDelete } from './compare.ts';
import { testContract } from './contract.ts';
import { check, type Hero, waitForMails } from './demo-check.ts';
import { checksumOthers, countRows, peakMemory, readMails } from './evidence.ts';
import { watchOutage, watchRecovery } from './outage.ts';
import { type Partners, startPartners } from './partners.ts';
import { populate } from './reader.ts';
import { lethe, type Stack, startStack, stop, waitForPort } from './stack.ts';
import { type Status, watchErasure } from './watch.ts';
import { readDataset, watchTestData } from './watching.ts';

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
  .description(
    'Erases accounts of the sample reader application and of its partners, which fail meanwhile, on real Postgres and Redis.',
  )
  .option('--once', 'check the result, stop, and exit 0 only if ledgers, databases, partners and mail agree', false)
  .option('--posts <n>', 'posts of the large account', wholeNumber, 250_000)
  .option('--compare', 'also time one DELETE of the large account’s posts, on a copy of the same data', false)
  .exitOverride();

type Options = { once: boolean; posts: number; compare: boolean };

/** Readers who leave while the partners are away: with the large account, as many calls as open a circuit. */
const LEAVERS = 5;

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
  say('Starting Postgres, Redis and the partners …');
  const stack = await startStack(process.env.REDIS_URL);
  stopping.push(stack.stop);
  const partners = await startPartners(stack);
  stopping.push(partners.destroy);
  const env = { ...stack.env, ...partners.env };
  const migrated = lethe('migrate', env);
  if ((await migrated.exited) !== 0) throw new Error(`lethe migrate failed:\n${migrated.output()}`);
  const [small, large, ...leavers] = await load(stack, partners, options.posts);
  const heroes = [small, large, ...leavers];
  const accounts = heroes.map(({ account }) => account);
  const sums = async () => `${await checksumOthers(stack.sql, accounts)}\n${await partners.others(accounts)}`;
  const untouched = await sums();
  const copy = options.compare ? await copyDatabase(stack) : undefined;

  const api = lethe('api', env);
  const worker = lethe('worker', env);
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

  say(
    `\n1. A small account (${number(small.before.posts)} posts, ${small.things} things at each partner): its tables are erased inside the request.`,
  );
  let started = performance.now();
  const first = await call('POST', `/v1/accounts/${small.account}/erasure`, {});
  say(
    `   POST /v1/accounts/${small.account}/erasure → ${first.status} ${first.body.state} (${first.body.mode}) in ${seconds(performance.now() - started)}`,
  );

  const status = (id: string) => call('GET', `/v1/erasures/${id}`).then((a) => a.body);
  const completed = async (id: string) => {
    const end = Date.now() + 60_000;
    while ((await status(id)).state !== 'completed') {
      if (Date.now() > end) throw new Error(`the erasure ${id} is still ${(await status(id)).state}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await completed(first.body.id);
  say(`   all partners have erased it, too: completed in ${seconds(performance.now() - started)}`);

  say('\n2. Test data: the worker has planted an account of its own, and asks for its erasure as anybody would.');
  await watchTestData(stack.sql, say);

  say(
    `\n3. A large account (${number(large.before.posts)} posts, ${large.before.feeds} feeds): flag → sweep → workers.`,
  );
  const shown = Object.entries(partners.named).map(([name, { what }]) => `${name}: ${what}`);
  say(`   Now all partners go away: ${shown.join(', ')}.`);
  await partners.stop();
  const second = await call('POST', `/v1/accounts/${large.account}/erasure`, {});
  const [flagged] =
    await stack.sql`SELECT erasure_requested_at IS NOT NULL AS flagged FROM accounts WHERE id = ${large.account}`;
  const sessions = (await countRows(stack.sql, large.account)).sessions;
  say(
    `   POST → ${second.status} ${second.body.state}; flagged: ${flagged?.flagged}; sessions left: ${sessions}; starts at ${second.body.startsAt} (the sweep runs every 5 s here)`,
  );
  while ((await status(second.body.id)).state === 'scheduled') await new Promise((resolve) => setTimeout(resolve, 50));
  started = performance.now();
  const limit = 60_000 + options.posts * 0.5;
  const done = await watchErasure(() => status(second.body.id), limit);
  const took = performance.now() - started;
  const rate = done.progress.rowsDeleted / (took / 1000);
  say(
    `   ${done.state}: the account is gone, and its partners are awaited. ${number(done.progress.rowsDeleted)} rows in ${seconds(took)}, ${number(Math.round(rate))} rows/s; worker peak memory ${peakMemory(worker.pid) ?? '?'} MiB`,
  );
  if (copy) {
    const one = await timeSingleDelete(copy, large.account);
    say(
      `   one DELETE FROM posts on a copy of the same data: ${number(one.rows)} rows in ${seconds(one.seconds * 1000)}, ${number(Math.round(one.rows / one.seconds))} rows/s; whole erasure / one DELETE = ${(took / 1000 / one.seconds).toFixed(2)} ×`,
    );
  }

  say(`\n4. The outage: ${LEAVERS} more readers leave meanwhile. Each partner is asked until its circuit opens.`);
  const left = await Promise.all(leavers.map(({ account }) => call('POST', `/v1/accounts/${account}/erasure`, {})));
  say(`   POST → ${left.map(({ status: code, body }) => `${code} ${body.state}`).join(', ')}`);
  await watchOutage(stack.sql, partners, 1 + LEAVERS, say);
  say('   The partners come back. One call probes every 15 seconds whether they are there; then all are due at once.');
  started = performance.now();
  await partners.start();
  // There is nothing else to do until the probes.
  const dataset = readDataset(env);
  await watchRecovery(stack.sql, partners, say);
  const erasures = [first, second, ...left].map(({ body }) => body.id);
  for (const id of erasures) await completed(id);
  say(
    `   ${erasures.length} erasures completed, ${seconds(performance.now() - started)} after the partners have come back`,
  );

  await waitForMails(stack, heroes);
  const confirmation = readMails(stack.outbox).findLast((mail) => mail.to === large.email);
  say(`\n5. The confirmation mail (to ${confirmation?.to}):\n`);
  say((confirmation?.text ?? 'missing').replace(/^/gm, '   | '));
  say('6. The search service is tested against the contract, with test data that it plants and erases:');
  const kept = await testContract(env, partners.searchUrl, say);

  say('\n7. The dataset for systems that no call reaches, such as a warehouse:');
  say(`   ${await dataset}`);

  say('\n8. Databases and partners against the ledgers:');
  const agree = (await check(stack, partners, heroes, erasures, (await sums()) === untouched, say)) && kept;

  if (options.once) return agree;
  say('\nOpen in the browser:');
  say(
    `   support page  ${base}/admin/erasures    sign in as ops (may act) or support (looks), password ${stack.password}`,
  );
  say(`   owners        ${base}/admin/owners      the same login`);
  say(`   test data     ${base}/admin/test-data   the same login`);
  say(`   Bull Board    ${base}/admin/queues      the same login`);
  say(`   status page   ${base}${new URL(second.body.statusUrl).pathname}${new URL(second.body.statusUrl).search}`);
  say(`   mails         ${stack.outbox}`);
  say(`   database      ${stack.databaseUrl}`);
  say(`   API key       ${stack.apiKey}`);
  say('\nCtrl-C ends everything.');
  await interrupted;
  return agree;
}

async function load(stack: Stack, partners: Partners, posts: number): Promise<[Hero, Hero, ...Hero[]]> {
  const started = performance.now();
  const heroes = [
    { name: 'small', email: 'small@example.com', posts: 400, feeds: 12, things: 5, mails: 1 },
    { name: 'large', email: 'large@example.com', posts, feeds: 300, things: 300, mails: 2 },
    ...Array.from({ length: LEAVERS }, (_, i) => ({
      name: `leaver ${i + 1}`,
      email: `leaver-${i + 1}@example.com`,
      posts: 50,
      feeds: 3,
      things: 3,
      mails: 1,
    })),
  ];
  const others = Array.from({ length: 20 }, (_, i) => ({
    email: `reader-${i}@example.com`,
    posts: 2_000 + 150 * i,
    feeds: 15,
    things: 4,
  }));
  const all = [...heroes, ...others];
  const ids = await populate(stack.sql, all);
  for (const [i, { things }] of all.entries()) await partners.add(ids[i] as string, things);
  await stack.sql`VACUUM ANALYZE`;
  const made = await Promise.all(
    heroes.map(async (hero, i) => ({
      ...hero,
      account: ids[i] as string,
      before: await countRows(stack.sql, ids[i] as string),
    })),
  );
  const total = all.reduce((sum, a) => sum + a.posts, 0);
  say(
    `Loaded the sample reader: ${ids.length} accounts, ${number(total)} posts, interleaved (${seconds(performance.now() - started)}).`,
  );
  const [first, second, ...rest] = made;
  return [first as Hero, second as Hero, ...rest];
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
