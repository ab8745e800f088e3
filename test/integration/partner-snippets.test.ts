import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildPlant, type PlantMessage, plantSchema } from '../../src/partners/canary.ts';
import { buildMessage, type Message, messageSchema } from '../../src/partners/message.ts';
import type { Received } from '../support/partner-server.ts';
import { createPartnerWorld, newSecret, type PartnerWorld } from '../support/partner-world.ts';
import { stateOf } from '../support/progress.ts';
import { SNIPPETS } from '../support/snippets.ts';
import { accepted, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';

/** The snippets of the page in `bash`, `json` and `ts`, which say what a partner does in any language. */
const snippet = (language: string, part: string): string => {
  const found = SNIPPETS.filter(
    (s) => s.file === 'docs/partners.md' && s.language === language && s.text.includes(part),
  );
  expect(found, `${language} with ${part}`).toHaveLength(1);
  return found[0]?.text as string;
};

let world: PartnerWorld;
let got: Received;
let id: string;
beforeAll(async () => {
  world = await createPartnerWorld();
  const call = await world.api();
  world.partner.apiBase = call.base;
  world.partner.behave('accepted');
  await world.worker();
  const { account } = await subject(world.sql, SMALL);
  id = (await accepted(call, account)).id;
  got = await until('the message is accepted', async () => {
    const [one] = await world.calls(id);
    return one?.state === 'accepted' ? world.partner.askedFor(account)[0] : undefined;
  });
});
afterAll(() => world.close());

/** Runs a snippet in the world's folder, with a message as it came. */
async function sh(
  script: string,
  of: Received,
  env: Record<string, string> = {},
): Promise<{ code: number; out: string }> {
  writeFileSync(`${world.folder}/body.json`, of.body);
  const curl = `curl() { "${process.execPath}" "${resolve('test/support/curl.mjs')}" "$@"; }`;
  const shell = spawn('sh', ['-c', `${curl}\n${script}`], {
    cwd: world.folder,
    env: {
      PATH: process.env.PATH,
      SEARCH_SECRET: world.secret,
      ID: of.headers['webhook-id'],
      TIMESTAMP: of.headers['webhook-timestamp'],
      SIGNATURE: of.headers['webhook-signature'],
      ...env,
    },
  });
  const ended = new Promise<number>((end) => shell.once('close', (code) => end(code ?? -1)));
  const [out, err] = await Promise.all([readAll(shell.stdout), readAll(shell.stderr)]);
  return { code: await ended, out: out + err };
}

it('the message of the page has the members of a real one, and fits its schema', () => {
  const shown = JSON.parse(snippet('json', 'lethe.erasure.requested')) as Message;
  expect(messageSchema.parse(shown)).toEqual(shown);
  const real = buildMessage(
    {
      id: shown.id,
      erasureId: shown.data.erasure,
      location: 'search',
      account: shown.data.account,
      requestedAt: new Date(shown.time),
      values: shown.data.values ?? {},
      keys: shown.data.keys ?? null,
    },
    { publicUrl: 'https://lethe.example.com', tokenOf: () => shown.data.acknowledge.token },
  );
  expect(JSON.stringify(real)).toBe(JSON.stringify(shown));
});

it('so has the message that plants test data', () => {
  const shown = JSON.parse(snippet('json', 'lethe.canary.plant')) as PlantMessage;
  expect(plantSchema.parse(shown)).toEqual(shown);
  const { task, partner, account, marker } = shown.data;
  const sent = { publicUrl: shown.source, at: new Date(shown.time) };
  expect(JSON.stringify(buildPlant({ id: task, partner, account, marker }, sent))).toBe(JSON.stringify(shown));
});

it('a shell verifies the signature of a real message, and refuses another body, secret and time', async () => {
  const verify = snippet('bash', 'openssl');
  expect(await sh(verify, got)).toEqual({ code: 0, out: 'signed\n' });
  expect((await sh(verify, { ...got, body: `${got.body} ` })).out).toBe('');
  expect((await sh(verify, got, { SEARCH_SECRET: newSecret() })).out).toBe('');
  const old = String(Number(got.headers['webhook-timestamp']) - 301);
  expect((await sh(verify, got, { TIMESTAMP: old })).out).toBe('');
});

it('so does TypeScript', async () => {
  const folder = mkdtempSync('test/.snippets-');
  try {
    writeFileSync(`${folder}/is-signed.ts`, snippet('ts', 'isSigned'));
    const { isSigned } = (await import(resolve(folder, 'is-signed.ts'))) as {
      isSigned: (secret: string, headers: Received['headers'], body: string) => boolean;
    };
    expect(isSigned(world.secret, got.headers, got.body)).toBe(true);
    const both = `v1,bm9uZQ== ${got.headers['webhook-signature']}`;
    expect(isSigned(world.secret, { ...got.headers, 'webhook-signature': both }, got.body)).toBe(true);
    expect(isSigned(world.secret, got.headers, `${got.body} `)).toBe(false);
    expect(isSigned(newSecret(), got.headers, got.body)).toBe(false);
    expect(isSigned(world.secret, { ...got.headers, 'webhook-timestamp': '1' }, got.body)).toBe(false);
    expect(isSigned(world.secret, {}, got.body)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it('curl acknowledges, twice if need be, and the erasure is completed', async () => {
  const { url, token } = (got.message as Message).data.acknowledge;
  const env = { ACK_URL: url.replace('http://lethe.test', String(world.partner.apiBase)), TOKEN: token };
  expect((await sh(snippet('bash', 'ACK_URL'), got, { ...env, TOKEN: 'v1.of-another-task' })).out).toMatch(
    /^40[134]\n/,
  );
  expect(await stateOf(world.sql, id)).toBe('awaiting');
  for (let times = 0; times < 2; times++)
    expect((await sh(snippet('bash', 'ACK_URL'), got, env)).out).toMatch(/^20[04]\n/);
  await world.untilCompleted(id);
});
