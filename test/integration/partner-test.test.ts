import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/free-port.ts';
import { CHECKS, type Check, type Line } from '../../src/partners/contract/line.ts';
import { runVerb } from '../support/command-line.ts';
import { type ContractPartner, startContractPartner, type Wrong } from '../support/contract-partner.ts';
import type { Behaviour, BehaviourName, PartnerServer } from '../support/partner-server.ts';
import { startPartner } from '../support/partner-server.ts';
import { newSecret } from '../support/partner-world.ts';

const SECRET = newSecret();
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function open(of: Partial<Parameters<typeof startContractPartner>[0]> = {}): Promise<ContractPartner> {
  const partner = await startContractPartner({ secret: SECRET, ...of });
  closing.push(partner.close);
  return partner;
}

/** Runs the command as a team does, against its own endpoint. */
const test = (partner: Pick<PartnerServer, 'url'>, ...more: string[]) =>
  runVerb({ SEARCH_SECRET: SECRET }, [
    ...['partner', 'test', partner.url, '--secret', 'SEARCH_SECRET', '--timeout', '500ms', '--within', '600ms'],
    ...more,
  ]);

/** The same, read: the lines by their result. */
async function checks(partner: Pick<PartnerServer, 'url'>, ...more: string[]) {
  const { code, out } = await test(partner, '--json', ...more);
  const { ok, checks: lines } = JSON.parse(out) as { ok: boolean; checks: Line[] };
  const by = (result: Line['result']) => lines.filter((line) => line.result === result).map(({ check }) => check);
  const came = Object.fromEntries(lines.map((line) => [line.check, line.came])) as Record<Check, string>;
  return { code, ok, lines, failed: by('failed'), skipped: by('skipped'), came };
}

describe('lethe partner test', () => {
  it.each([[false], [true]])(
    'finds nothing wrong with a service that keeps the contract (later: %s)',
    async (later) => {
      const partner = await open({ later });
      const found = await checks(partner, '--canary', partner.canary);
      expect([found.failed, found.code, found.ok]).toEqual([[], 0, true]);
      expect(found.lines.map(({ check }) => check)).toEqual(Object.keys(CHECKS));
      expect(found.skipped).toEqual(later ? [] : ['acknowledged']);
      // Nothing of it is left there.
      const asked = partner.received.map(({ message }) => message?.data.account.id as string);
      for (const account of asked) expect(partner.count(account)).toBe(0);
      expect(partner.received.length).toBeLessThan(25);
    },
  );

  it.each<[Wrong, Check, boolean]>([
    ['takes unsigned messages', 'unsigned', false],
    ['takes any signature', 'wrong', false],
    ['takes old messages', 'old', true],
    ['takes messages from ahead', 'ahead', true],
    ['fails the second time', 'twice', false],
    ['erases for any type', 'type', true],
    ['looks without a signature', 'canarySigned', true],
    ['plants nothing', 'present', true],
    ['erases what is newer', 'newer', true],
    ['keeps the data', 'absent', true],
    ['lies when asked', 'present', true],
    ['answers anew', 'again', true],
  ])('tells a service that %s by one line: %s', async (wrong, check, withCanary) => {
    const partner = await open({ wrong });
    const found = await checks(partner, ...(withCanary ? ['--canary', partner.canary] : []));
    expect([found.failed, found.code]).toEqual([[check], 1]);
  });

  it.each<[BehaviourName, Check | null, RegExp]>([
    ['no_content', null, /^$/],
    ['acknowledge_before', null, /^$/],
    ['acknowledge_after', null, /^$/],
    ['accepted', 'acknowledged', /^none within 0\.6 s$/],
    ['already_scheduled', 'acknowledged', /^none within 0\.6 s$/],
    ['html', 'json', /200 without JSON/],
    ['compressed', 'json', /compressed/],
    ['endless', 'json', /more than 64 kB/],
    ['no_echo', 'echo', /without the id of the task/],
    ['other_task', 'echo', /; its task is another$/],
    ['error_inside', 'unknown', /with an error inside/],
    ['failed', 'unknown', /answered that it failed/],
    ['redirect', 'status', /redirect \(307\), which is not followed/],
    ['route_missing', 'status', /404: the route may be wrong/],
    ['gone', 'status', /410: the route may be wrong/],
    ['error', 'status', /failed \(500\)/],
    ['unavailable', 'status', /unavailable \(503\)/],
    ['refused', 'signed', /refused the signature or the caller \(401\)/],
    ['invalid', 'signed', /refused the message \(400\)/],
    ['hang', 'answers', /no complete answer within 0\.5 s/],
    ['silent_body', 'answers', /no complete answer within 0\.5 s/],
    ['drip', 'answers', /no complete answer within 0\.5 s/],
    ['reset', 'answers', /reset/],
    ['half', 'answers', /before the answer was complete/],
    ['short', 'answers', /not as long as it said|closed/],
    ['many_headers', 'answers', /16 kB of headers/],
    ['garbage', 'answers', /not HTTP/],
  ])('says of a service that answers %s what a worker would log: %s', async (answers, check, words) => {
    const { failed, code, came } = await checks(await open({ answers }));
    expect([failed, code]).toEqual([check === null ? [] : [check], check === null ? 0 : 1]);
    expect(check === null ? '' : came[check]).toMatch(words);
  });

  it.each<[string, Behaviour, RegExp]>([
    ['another token', ({ received }) => tell(received, { authorization: 'Bearer v1.x' }), /without the token/],
    ['no task and status', ({ received }) => tell(received, {}, '{"done":true}'), /without \{ "task"/],
    ['garbage', ({ received }) => tell(received, {}, '<xml>'), /without \{ "task"/],
    ['failed', ({ received }) => tell(received, {}, '{"status":"failed"}'), /acknowledged that it failed/],
  ])('hears an acknowledgement with %s', async (_, acknowledge, words) => {
    const answers: Behaviour = async (hands) => {
      await acknowledge(hands);
      hands.response.writeHead(202).end();
    };
    const { failed, came } = await checks(await open({ answers }));
    expect([failed, came.acknowledged]).toEqual([['acknowledged'], expect.stringMatching(words)]);
  });

  it('says how far the clocks are apart that keep a signature from being believed', async () => {
    const partner = await startPartner({ secret: SECRET, aheadMs: 20 * 60_000 });
    closing.push(partner.close);
    const { failed, came } = await checks(partner);
    expect([failed, came.signed]).toEqual([
      ['signed'],
      expect.stringMatching(/its clock is 1(199|200) seconds ahead of/),
    ]);
  });

  it('waits as long as a service asks, and sends the message again', async () => {
    const partner = await open();
    partner.next('too_many');
    const found = await checks(partner);
    expect([found.failed, partner.received[0]?.body]).toEqual([[], partner.received[1]?.body]);
  });

  it('tells of a service that is not there in one line, and of one whose route is wrong', async () => {
    const away = await checks(
      { url: `http://127.0.0.1:${await freePort()}/erasures` },
      '--canary',
      'http://127.0.0.1:9/',
    );
    expect([away.failed, away.came.answers]).toEqual([['answers'], 'the connection was refused']);
    expect(away.lines.map(({ check }) => check)).toEqual(Object.keys(CHECKS));
    const wrong = await startPartner();
    wrong.behave('route_missing');
    closing.push(wrong.close);
    const { failed, came } = await checks(wrong);
    expect([failed, came.unsigned]).toEqual([['status'], 'it answers 404 to what is signed well, too']);
  });

  it('sends nothing about an account that somebody may have, unless its key is given', async () => {
    const partner = await open();
    await checks(partner, '--canary', partner.canary);
    const keys = new Set(partner.received.map(({ message }) => message?.data.account.id));
    // A changed body has a digit more.
    expect([...keys].filter((key) => !/^0?9\d{17}$/.test(String(key)))).toEqual([]);
    expect(keys.size).toBe(3);
    partner.received.length = 0;
    const given = ['--account', 'no-one', '--column', 'tenant', '--account', '7,%', '--column', 'id'];
    await checks(partner, ...given);
    expect(partner.received[0]?.message?.data.account).toEqual({ tenant: 'no-one', id: '7,%' });
  });

  it('tells the service where it is reached', async () => {
    const partner = await open({ later: true });
    const at = `http://127.0.0.1:${await freePort()}`;
    expect((await checks(partner, '--acknowledge-at', at)).failed).toEqual([]);
    expect(partner.received[0]?.message?.data.acknowledge.url).toMatch(`${at}/v1/tasks/`);
  });

  it('is read by people: a line for each check, and for what fails what to do', async () => {
    const partner = await open({ wrong: 'takes old messages' });
    const { out, err, code } = await test(partner);
    expect([err, code]).toEqual(['', 1]);
    expect(out.split('\n').slice(0, 9)).toEqual([
      'ok      it answers in time (within 0.5 s)',
      'ok      it takes a signed message (200)',
      'ok      it refuses a message without a signature (401)',
      'ok      it refuses a signature that does not fit (401)',
      'FAILED  it refuses a message that was signed ten minutes ago',
      '        expected: 401, or another 4xx',
      '        came:     had nothing (200)',
      '        to do:    refuse a webhook-timestamp that is more than five minutes before your clock',
      'ok      it refuses a message that is signed ten minutes ahead (401)',
    ]);
    expect(out).toMatch(/\nIt breaks the contract in 1 of 13 lines\.\n$/);
  });

  it.each<[string, string[], RegExp]>([
    ['no URL', ['not a url', '--secret', 'SEARCH_SECRET'], /the address: expected a URL/],
    ['another protocol', ['ftp://x/', '--secret', 'SEARCH_SECRET'], /the address: expected a URL/],
    ['a user in it', ['http://u:p@x/', '--secret', 'SEARCH_SECRET'], /without user and password/],
    ['no variable', ['http://x/'], /required option '--secret/],
    ['the secret itself', ['http://x/', '--secret', SECRET], /--secret: expected the name of a variable/],
    ['a variable that is not set', ['http://x/', '--secret', 'NO_SUCH'], /NO_SUCH: is not set/],
    ['a short secret', ['http://x/', '--secret', 'SHORT'], /SHORT: has fewer than 24 bytes/],
    [
      'half a key',
      ['http://x/', '--secret', 'SEARCH_SECRET', '--account', '1', '--column', 'a', '--column', 'b'],
      /one for each/,
    ],
    ['a column twice', ['http://x/', '--secret', 'SEARCH_SECRET', '--column', 'a', '--column', 'a'], /given twice/],
    ['no duration', ['http://x/', '--secret', 'SEARCH_SECRET', '--timeout', '5'], /expected a duration/],
    ['a bad address', ['http://x/', '--secret', 'SEARCH_SECRET', '--canary', 'x#y'], /--canary: expected a URL/],
  ])('refuses %s with one line and exit 2', async (_, args, words) => {
    const { code, out, err } = await runVerb({ SEARCH_SECRET: SECRET, SHORT: 'short' }, ['partner', 'test', ...args]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(words);
    expect(err).not.toContain(SECRET.slice(6));
    expect(err).not.toContain('u:p');
  });
});

/** Acknowledges with other headers, or another body. */
async function tell(
  { message }: Parameters<Behaviour>[0]['received'],
  headers: Record<string, string>,
  body = JSON.stringify({ status: 'erased' }),
): Promise<void> {
  if (!message) throw new Error('there is no message');
  const { url, token } = message.data.acknowledge;
  const sent = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers };
  await (await fetch(url, { method: 'POST', headers: sent, body })).arrayBuffer();
}
