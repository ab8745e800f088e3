import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { messageSchema } from '../../src/partners/message.ts';
import { expectErased, ledger, mails } from '../support/evidence.ts';
import type { BehaviourName } from '../support/partner-server.ts';
import { createPartnerWorld, newSecret, type PartnerWorld } from '../support/partner-world.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import type { Call } from '../support/world.ts';

let world: PartnerWorld;
let call: Call;
beforeAll(async () => {
  world = await createPartnerWorld();
  call = await world.api();
  await world.worker();
});
afterAll(() => world.close());
beforeEach(async () => {
  await world.partner.up();
  world.partner.behave('erased');
  world.partner.aheadMs = 0;
});

/** A small account whose erasure is accepted: its rows are gone, and the partner is still to be asked. */
async function ask() {
  const of = await subject(world.sql, SMALL);
  const { id, answer } = await accepted(call, of.account);
  return { ...of, id, answer };
}

const circuit = async () => {
  const [row] = await world.sql<{ failures: number; open: boolean }[]>`
    SELECT failures, opened_at IS NOT NULL AS open FROM lethe.partner WHERE name = 'search'`;
  return row as { failures: number; open: boolean };
};

describe('a partner that speaks the contract', () => {
  it('is sent one signed message, and its answer completes the erasure and the mail', async () => {
    const release = world.partner.hold();
    const { id, account, email, before, answer } = await ask();
    expect(answer.status).toBe(202);
    const [got] = await until('the partner is asked', () => {
      const found = world.partner.askedFor(account);
      return found.length > 0 && found;
    });
    expect(await stateOf(world.sql, id)).toBe('awaiting');
    expect((await mails(world.outbox)).filter((mail) => mail.to === email && /deleted/.test(mail.subject))).toEqual([]);
    release();
    await world.untilCompleted(id);
    await expectErased(world.sql, account, id, { ...before, search: 1 });

    const [asked] = await world.calls(id);
    const message = messageSchema.parse(got?.message);
    const [erasure] = await world.sql`SELECT requested_at FROM lethe.erasure WHERE id = ${id}`;
    expect(got?.headers).toMatchObject({ 'content-type': 'application/cloudevents+json', 'webhook-id': asked?.id });
    expect(message).toMatchObject({
      id: asked?.id,
      source: 'http://lethe.test',
      data: { task: asked?.id, erasure: id, partner: 'search', account: { id: account } },
    });
    expect(message.data.acknowledge.url).toBe(`http://lethe.test/v1/tasks/${asked?.id}/ack`);
    // The database keeps microseconds; a message has milliseconds, never later than that.
    expect(new Date(message.data.requestedAt)).toEqual(erasure?.requested_at);
    expect(asked).toMatchObject({ state: 'done', words: 'erased (200)', leased: false });
    expect(world.partner.askedFor(account)).toHaveLength(1);
    await until('the user is told', async () => (await mails(world.outbox)).some((mail) => mail.to === email));
  });

  it('is done with 204, and when it never had the account', async () => {
    for (const [behaviour, words] of [
      ['no_content', 'erased (204)'],
      ['not_found', 'had nothing (200)'],
    ] as const) {
      world.partner.behave(behaviour);
      const { id } = await ask();
      await world.untilCompleted(id);
      expect((await world.calls(id))[0]?.words).toBe(words);
    }
  });

  it('that answers anything else is asked again, with the same id, until it says that it is erased', async () => {
    const met: [BehaviourName, RegExp][] = [
      ['hang', /no complete answer within 1 s/],
      ['silent_body', /no complete answer within 1 s/],
      ['drip', /no complete answer within 1 s/],
      ['reset', /reset|closed/],
      ['half', /reset|closed/],
      ['html', /200 without JSON/],
      ['endless', /more than 64 kB/],
      ['error_inside', /an error inside/],
      ['other_task', /without the id of the task/],
      ['redirect', /redirect/],
      ['route_missing', /404/],
      ['gone', /410/],
      ['failed', /that it failed/],
      ['garbage', /not HTTP/],
    ];
    world.partner.behave(met[0]?.[0] as BehaviourName);
    const { id, account } = await ask();
    for (const [behaviour, words] of met) {
      world.partner.behave(behaviour);
      const said = await world.untilWords(id, words);
      expect(said, behaviour).toMatchObject({ state: 'open' });
      expect(await stateOf(world.sql, id)).toBe('awaiting');
    }
    world.partner.behave('erased');
    await world.untilCompleted(id);
    const asked = world.partner.askedFor(account);
    expect(new Set(asked.map(({ message }) => message?.id)).size).toBe(1);
    expect(new Set(asked.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect((await ledger(world.sql, id)).search).toBe(1);
  });

  it('that is away has its circuit opened; calls wait without spending tries, and all are made when it is back', async () => {
    await world.partner.down();
    const first = await ask();
    await until('the circuit is open', async () => {
      await world.hasten();
      return (await circuit()).open;
    });
    const others = await Promise.all([ask(), ask(), ask()]);
    const waiting = await until('they wait for the partner', async () => {
      const calls = (await Promise.all(others.map(({ id }) => world.calls(id)))).flat();
      return calls.length === others.length && calls;
    });
    expect(waiting.map(({ attempts, words }) => ({ attempts, words }))).toEqual(
      others.map(() => ({ attempts: 0, words: null })),
    );
    await world.partner.up();
    // The next probe comes within 15 seconds by itself.
    await until('all are completed', async () => {
      const states = await Promise.all([first, ...others].map(({ id }) => stateOf(world.sql, id)));
      return states.every((state) => state === 'completed');
    });
    expect(await circuit()).toEqual({ failures: 0, open: false });
    for (const { account } of others) expect(world.partner.askedFor(account)).toHaveLength(1);
  });

  it('that asks for a pause is left alone by all calls until then', async () => {
    world.partner.behave(({ response }) => void response.writeHead(503, { 'retry-after': '3600' }).end());
    const { id } = await ask();
    await until('it asked for a pause', async () => (await world.calls(id))[0]?.words?.includes('asks for a pause'));
    const asked = world.partner.received.length;
    const other = await ask();
    const [row] =
      await world.sql`SELECT paused_until - now() > interval '50 minutes' AS long, opened_at FROM lethe.partner`;
    expect(row).toEqual({ long: true, opened_at: null });
    world.partner.behave('erased');
    await until('a second has passed', () => Date.now() > (world.partner.received.at(-1)?.at.getTime() ?? 0) + 1500);
    expect(world.partner.received.length).toBe(asked);
    for (const of of [id, other.id]) await world.untilCompleted(of);
  });

  it('goes on while its secret is rotated, in either order', async () => {
    const young = newSecret();
    const { id, account } = await (async () => {
      // The partner is ahead: nothing of ours fits.
      world.partner.secret = young;
      return ask();
    })();
    await world.untilWords(id, /refused the signature or the caller \(401\)/);
    world.setSecret(`${world.secret} ${young}`);
    await world.untilCompleted(id);
    // Both are signed with, whichever the partner knows.
    world.partner.secret = world.secret;
    await world.untilCompleted((await ask()).id);
    world.partner.secret = young;
    world.setSecret(young);
    await world.untilCompleted((await ask()).id);
    expect(new Set(world.partner.askedFor(account).map(({ message }) => message?.id)).size).toBe(1);
    // Nonsense is said, and mended.
    world.setSecret('short');
    const broken = await ask();
    const said = await world.untilWords(broken.id, /SEARCH_SECRET: has fewer than 24 bytes/);
    expect(said.words).not.toContain('short');
    world.setSecret(world.secret);
    world.partner.secret = world.secret;
    await world.untilCompleted(broken.id);
  });

  it.each([600_000, -600_000])('with a clock that is %i ms ahead is told of, and signed for', async (aheadMs) => {
    world.partner.aheadMs = aheadMs;
    const { id, account } = await ask();
    await world.untilWords(
      id,
      aheadMs > 0 ? /clock is (599|600|601) seconds ahead of ours/ : /(599|600|601) seconds behind ours/,
    );
    await world.untilCompleted(id);
    const tries = world.partner.askedFor(account).length;
    expect(tries).toBe(2);
    // The clock is mended: the first signature is refused once more, and the next one fits.
    world.partner.aheadMs = 0;
    const after = await ask();
    await world.untilCompleted(after.id);
    expect(world.partner.askedFor(after.account)).toHaveLength(2);
  });

  it('accepts and acknowledges later: it is not done before, and waits without being asked again', async () => {
    world.partner.behave('accepted');
    const { id, account } = await ask();
    await until('it is accepted', async () => (await world.calls(id))[0]?.state === 'accepted');
    await world.hasten();
    expect(await stateOf(world.sql, id)).toBe('awaiting');
    expect(world.partner.askedFor(account)).toHaveLength(1);
    // What is not acknowledged in time is asked again, with the same id.
    await world.sql`UPDATE lethe.call SET next_at = now() WHERE erasure_id = ${id}`;
    world.partner.behave('erased');
    await world.untilCompleted(id);
    const asked = world.partner.askedFor(account);
    expect(asked.map(({ message }) => message?.id)).toEqual([asked[0]?.message?.id, asked[0]?.message?.id]);
    expect((await ledger(world.sql, id)).search).toBe(1);
  });
});
