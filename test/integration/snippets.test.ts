import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import type { JSONValue } from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runVerb } from '../support/command-line.ts';
import { commandsOf, SNIPPETS, type Snippet, wordsOf } from '../support/snippets.ts';
import { accepted, erasuresOf, LARGE, SMALL, subject } from '../support/subject.ts';
import { type Call, createWorld, jwt, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call & { base: string };
beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
});
afterAll(() => world.close());

/** Runs a shell snippet in the world's folder. Its `curl` is test/support/curl.mjs, which a machine need not have. */
async function sh(script: string, given: Record<string, string> = {}): Promise<{ code: number; out: string }> {
  const curl = `curl() { "${process.execPath}" "${resolve('test/support/curl.mjs')}" "$@"; }`;
  const names = { 'localhost:8080': call.base, ...given };
  const filled = Object.entries(names).reduce((text, [name, value]) => text.replaceAll(name, value), script);
  const env = { PATH: process.env.PATH, LETHE: call.base, KEY: KEYS.write, ADMIN_KEY: KEYS.admin, ID: given.$ID };
  const shell = spawn('sh', ['-c', `${curl}\n${filled}`], { cwd: world.folder, env });
  const ended = new Promise<number>((end) => shell.once('close', (code) => end(code ?? -1)));
  const [out, err] = await Promise.all([readAll(shell.stdout), readAll(shell.stderr)]);
  return { code: await ended, out: out + err };
}

const ofShell = SNIPPETS.filter(({ language }) => language === 'sh');
type Typed = { place: string; command: string; says: string };

/** The commands that begin with `program`, each with the comments that follow it and say what comes back. */
const typed = (program: string): Typed[] =>
  ofShell
    .filter(({ text }) => !text.startsWith('while '))
    .flatMap(({ place, text }: Snippet) =>
      commandsOf(text.replace(/^#/gm, 'says')).flatMap((command, n, lines) => {
        if (!command.startsWith(`${program} `)) return [];
        const rest = lines.slice(n + 1);
        const next = rest.findIndex((line) => !line.startsWith('says'));
        return [{ place, command, says: rest.slice(0, next < 0 ? undefined : next).join('\n') }];
      }),
    );

const ADMIN = { auth: `Bearer ${KEYS.admin}` };

/** What stands for the page's examples: an erasure as the command must find it, held for a release, stalled for a replay. */
async function prepare(command: string): Promise<Record<string, string>> {
  const { account } = await subject(world.sql, LARGE);
  if (command.includes('/v1/accounts/42/')) return { '/42/': `/${account}/`, '5c0f…': `snippet-${account}` };
  const { id, link } = await accepted(call, account);
  if (command.includes('-X DELETE') && command.includes('/hold'))
    await call('POST', `/v1/erasures/${id}/hold`, { ...ADMIN, body: { reason: 'first' } });
  if (command.includes('replay')) {
    await world.sql`UPDATE lethe.erasure SET state = 'stalled', started_at = now() WHERE id = ${id}`;
    await world.sql`UPDATE lethe.task SET state = 'failed', last_error = 'still_written: rows remain'
                     WHERE erasure_id = ${id} AND kind = 'account'`;
  }
  return { '01a2…': id, $ID: id, 'v1.…': link.split('token=')[1] as string };
}

it('every curl command of the pages works, and its answer has what the page says', async () => {
  const commands = typed('curl');
  expect(commands.length).toBeGreaterThan(8);
  for (const { place, command, says } of commands) {
    const { code, out } = await sh(command, await prepare(command));
    expect(code, `${place}: ${command}\n${out}`).toBe(0);
    const [, status] = /^says (\d{3})\b/m.exec(says) ?? [];
    expect(out, `${place}: ${command}`).toMatch(new RegExp(`^${status ?? '20[02]'}\n`));
    for (const [, header] of says.matchAll(/· ([A-Z][\w-]+):/g))
      expect(out, place).toMatch(new RegExp(`^${header}: `, 'im'));
    for (const [, member] of says.matchAll(/"(\w+)":/g)) expect(out, place).toContain(`"${member}":`);
    if (command.includes('/events?')) expect(out, place).toContain('event: snapshot');
  }
});

/** Pages whose commands need a catalog or a partner of their own: canary-command and partner-test run them. */
const RUN_ELSEWHERE = ['docs/test-data.md', 'docs/partners.md'];
const isElsewhere = ({ place }: Typed) => RUN_ELSEWHERE.some((page) => place.startsWith(`${page}:`));

it('every lethe command of the snippets ends well', async () => {
  const all = typed('lethe');
  expect(all.filter(isElsewhere).map(({ command }) => command.split(' ')[1])).toEqual(['partner', 'canary', 'canary']);
  const commands = all.filter((one) => !isElsewhere(one));
  expect(commands.length).toBeGreaterThan(5);
  for (const { place, command } of commands) {
    const { $ID: id = '' } = await prepare(command);
    const [typedAs = ''] = command.split(' > ');
    const { code, err } = await runVerb(world.env, wordsOf(typedAs.replaceAll('$ID', id)).slice(1));
    expect({ code, err }, `${place}: ${command}`).toEqual({ code: 0, err: '' });
  }
});

it('what a restore brought back is found and asked for again, by the statements and the loop of the page', async () => {
  const gone = await subject(world.sql, SMALL);
  const younger = await subject(world.sql, SMALL);
  const held = await subject(world.sql, LARGE);
  const backup = new Date(Date.now() - 60_000).toISOString();
  await world.sql`UPDATE accounts SET created_at = ${new Date(Date.now() - 3_600_000)} WHERE id = ${gone.account}`;
  const rows = await world.sql<{ row: JSONValue }[]>`
    SELECT to_jsonb(a) AS row FROM accounts a WHERE id IN ${world.sql([gone.account, younger.account])}`;
  for (const { account } of [gone, younger]) await accepted(call, account);
  const { id } = await accepted(call, held.account);
  await call('POST', `/v1/erasures/${id}/hold`, { ...ADMIN, body: { reason: 'court order' } });

  const copies = SNIPPETS.filter(({ language }) => language === 'psql').flatMap(({ text }) => text.trim().split('\n'));
  /** The query of a `\copy (…) TO file`, which psql sends as it is. */
  const queryTo = (file: string) => {
    const [, query = ''] =
      copies.map((line) => /^\\copy \((.*)\) TO (\S+)/.exec(line)).find((m) => m?.[2] === file) ?? [];
    expect(query, file).not.toBe('');
    return query.replaceAll('<time of the backup>', backup);
  };
  const saved = await world.sql.unsafe<{ account_key: string; requested_at: Date }[]>(queryTo('gone.csv'));
  expect(saved.map((row) => row.account_key)).toEqual(expect.arrayContaining([gone.account, younger.account]));
  expect(saved.map((row) => row.account_key)).not.toContain(held.account);
  const stopped = await world.sql.unsafe<Record<string, unknown>[]>(queryTo('stopped.txt'));
  expect(stopped.filter((row) => row.account_key === held.account)).toEqual([
    expect.objectContaining({ id, hold_reason: 'court order' }),
  ]);

  // The restore: both accounts are back, one of them made anew by somebody else, and nothing is known of their erasures.
  await world.sql`INSERT INTO accounts OVERRIDING SYSTEM VALUE
    SELECT * FROM jsonb_populate_recordset(NULL::accounts, ${world.sql.json(rows.map(({ row }) => row))})`;
  await world.sql`UPDATE accounts SET created_at = now() + interval '1 minute' WHERE id = ${younger.account}`;
  await world.sql`TRUNCATE lethe.erasure CASCADE`;
  const erased = await world.sql.begin(async (tx) => {
    const [create] = copies.filter((line) => line.startsWith('CREATE'));
    await tx.unsafe((create as string).replace(';', ' ON COMMIT DROP;'));
    await tx`INSERT INTO gone ${tx(saved.map((row) => ({ key: row.account_key, requested_at: row.requested_at })))}`;
    return tx.unsafe<{ key: string }[]>(queryTo('erased.txt'));
  });
  const keys = erased.map((row) => row.key).filter((key) => [gone.account, younger.account].includes(key));
  expect(keys).toEqual([gone.account]);

  writeFileSync(`${world.folder}/erased.txt`, keys.map((key) => `${key}\n`).join(''));
  const [loop] = ofShell.filter(({ file, text }) => file === 'docs/operations.md' && text.startsWith('while '));
  const { code, out } = await sh((loop as Snippet).text);
  expect(code, out).toBe(0);
  expect(() => readFileSync(`${world.folder}/failed.txt`)).toThrow('ENOENT');
  expect(await erasuresOf(world.sql, gone.account)).toEqual([expect.objectContaining({ state: 'completed' })]);
  expect(await erasuresOf(world.sql, younger.account)).toEqual([]);
});

it('the TypeScript of README erases an account', async () => {
  const { account } = await subject(world.sql, SMALL);
  const [snippet] = SNIPPETS.filter(({ file, language }) => file === 'README.md' && language === 'ts');
  const text = (snippet?.text ?? '')
    .replace("'lethe/client'", JSON.stringify(pathToFileURL('src/client/index.ts').href))
    .replace('https://lethe.example.com', call.base);
  expect(text).toContain(call.base);
  const folder = mkdtempSync('test/.snippets-');
  try {
    writeFileSync(`${folder}/snippet.ts`, text);
    const { eraseAccount } = await import(pathToFileURL(`${folder}/snippet.ts`).href);
    const shown: string[] = [];
    const token = (await jwt({ sub: account })).replace('Bearer ', '');
    await eraseAccount(account, token, (line: string) => shown.push(line));
    expect(shown[0]).toMatch(/^http:\/\/lethe\.test\/status\//);
    expect(shown.at(-1)).toBe('completed: 100 %');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
