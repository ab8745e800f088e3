import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findStrangeOwners } from '../../src/catalog/check-owners.ts';
import { parseCatalog } from '../../src/catalog/load.ts';
import { type Followed, follow, PATIENCE } from '../../src/erasure/watch/follow.ts';
import { NOTHING, type OwnerState } from '../../src/erasure/watch/measured.ts';
import { buildOwnerMessage } from '../../src/erasure/watch/message.ts';
import { owe } from '../../src/erasure/watch/owe.ts';
import { findUntellable } from '../../src/erasure/watch/problems.ts';
import { tellAgainMs } from '../../src/erasure/watch/teller.ts';
import { ownerMail } from '../../src/mail/templates.ts';

const AT = Date.parse('2026-11-28T10:00:00Z');
const at = (seconds: number) => new Date(AT + seconds * 1000);

/** Looks at an owner as it is seen at each second, and tells its team at once. Returns what it was told, and when. */
function watch(looks: readonly (readonly [number, OwnerState])[]): string[] {
  let row: (Followed & { watchedAt: Date }) | undefined;
  let told: OwnerState = 'well';
  const messages: string[] = [];
  for (const [second, seen] of looks) {
    row = { ...follow(row, seen, at(second), PATIENCE), watchedAt: at(second) };
    const owed = owe(row, { told, owed: null, tried: null }, at(second), PATIENCE);
    if (owed.next === 'keep' || owed.next === 'drop') continue;
    told = owed.next;
    messages.push(`${second} ${told}`);
  }
  return messages;
}

/** The same state every ten seconds, from one second to another. */
const every10 = (from: number, to: number, seen: OwnerState | ((second: number) => OwnerState)) =>
  Array.from({ length: Math.ceil((to - from) / 10) }, (_, n) => {
    const second = from + n * 10;
    return [second, typeof seen === 'function' ? seen(second) : seen] as const;
  });

describe('an owner that is watched', () => {
  it('is told of when it was bad for a minute, and of its end when it was well for five', () => {
    expect(
      watch([...every10(0, 100, 'well'), ...every10(100, 1000, 'failing'), ...every10(1000, 2000, 'well')]),
    ).toEqual(['160 failing', '1300 well']);
  });

  it('is not told of what is over within a minute', () => {
    expect(watch([...every10(0, 100, 'well'), ...every10(100, 150, 'failing'), ...every10(150, 2000, 'well')])).toEqual(
      [],
    );
  });

  it('is told once of a state that comes and goes every half minute for an hour, and once of its end', () => {
    const flapping = every10(0, 3600, (second) => (Math.floor(second / 30) % 2 === 0 ? 'failing' : 'well'));
    expect(watch([...flapping, ...every10(3600, 4200, 'well')])).toEqual(['60 failing', '3870 well']);
  });

  it('is told of late after failing, not of failing after late, and once of the end of both', () => {
    const looks = [
      ...every10(0, 300, 'failing'),
      ...every10(300, 600, 'late'),
      ...every10(600, 900, 'failing'),
      ...every10(900, 1200, 'late'),
      ...every10(1200, 1600, 'well'),
    ];
    expect(watch(looks)).toEqual(['60 failing', '300 late', '1500 well']);
  });

  it('is not well after an hour in which nobody looked, until it was seen well for five minutes', () => {
    const looks = [...every10(0, 100, 'late'), [110, 'well'] as const, ...every10(3700, 4100, 'well')];
    expect(watch(looks)).toEqual(['60 late', '4000 well']);
  });
});

describe('an owner whose row was written by a clock that was ahead', () => {
  const AHEAD = 100_000;

  it('is told of what is bad a minute after the clock is right again', () => {
    expect(watch([[0, 'well'], [AHEAD, 'late'], ...every10(100, 300, 'late')])).toEqual(['160 late']);
  });

  it('is told of the end five minutes after the clock is right again', () => {
    const looks = [...every10(0, 100, 'late'), [AHEAD, 'well'] as const, ...every10(100, 600, 'well')];
    expect(watch(looks)).toEqual(['60 late', '400 well']);
  });
});

describe('what is owed', () => {
  const bad = (state: OwnerState, calm = false): Followed => ({ state, since: at(0), calmSince: calm ? at(50) : null });
  const well: Followed = { state: 'well', since: at(90), calmSince: null };
  const now = at(100);

  it('is one message: the same while it is not taken, and none when it recovers before', () => {
    expect(owe(bad('late'), { told: 'well', owed: 'late', tried: null }, now, PATIENCE).next).toBe('keep');
    expect(owe(bad('late'), { told: 'well', owed: 'late', tried: 'late' }, now, PATIENCE).next).toBe('keep');
    expect(owe(bad('late', true), { told: 'well', owed: 'late', tried: null }, now, PATIENCE).next).toBe('keep');
    expect(owe(well, { told: 'well', owed: 'late', tried: null }, now, PATIENCE)).toEqual({
      told: 'well',
      next: 'drop',
    });
    expect(owe(bad('late'), { told: 'well', owed: 'failing', tried: null }, now, PATIENCE)).toEqual({
      told: 'well',
      next: 'late',
    });
  });

  it('is the end as well of what a try may have told', () => {
    expect(owe(well, { told: 'well', owed: 'late', tried: 'late' }, now, PATIENCE)).toEqual({
      told: 'late',
      next: 'well',
    });
    expect(owe(bad('late'), { told: 'well', owed: 'failing', tried: 'failing' }, now, PATIENCE)).toEqual({
      told: 'failing',
      next: 'late',
    });
    expect(owe(bad('failing'), { told: 'failing', owed: 'well', tried: null }, now, PATIENCE)).toEqual({
      told: 'failing',
      next: 'drop',
    });
    expect(owe(bad('failing'), { told: 'failing', owed: 'well', tried: 'well' }, now, PATIENCE)).toEqual({
      told: 'well',
      next: 'failing',
    });
  });

  it('is tried again after at most half an hour and a tenth', () => {
    const waits = [1, 2, 3, 4, 9, 1000].map(tellAgainMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(30 * 60_000);
    expect(waits[0]).toBeLessThan(10_000);
    expect(waits[5]).toBe(30 * 60_000);
  });
});

describe('what a team is told', () => {
  const measured = {
    ...NOTHING,
    open: 7,
    late: 2,
    failing: 1,
    dueAt: at(-60),
    locations: ['stripe 💳', '{{ "x" }}'],
    words: ['test data is overdue'],
  };
  const message = buildOwnerMessage(
    { id: 'm-1', owner: 'bil<b>ling\r\nBcc: x', state: 'late', at: at(0), publicUrl: 'https://x.example/lethe/' },
    { since: at(-120) },
    measured,
  );

  it('holds counts, names, the oldest deadline and the support page, and nothing else', () => {
    expect(message).toEqual({
      specversion: '1.0',
      id: 'm-1',
      source: 'https://x.example/lethe',
      type: 'lethe.owner.late',
      time: '2026-11-28T10:00:00.000Z',
      datacontenttype: 'application/json',
      data: {
        owner: 'bil<b>ling\r\nBcc: x',
        state: 'late',
        since: '2026-11-28T09:58:00.000Z',
        open: 7,
        late: 2,
        failing: 1,
        locations: ['stripe 💳', '{{ "x" }}'],
        oldestDeadline: '2026-11-28T09:59:00.000Z',
        words: ['test data is overdue'],
        url: 'https://x.example/lethe/admin/owners',
      },
    });
  });

  it('is documented with the members that it has', () => {
    const [, written = ''] = /```json\n([\s\S]*?)```/.exec(readFileSync('docs/owners.md', 'utf8')) ?? [];
    const shown = JSON.parse(written) as typeof message;
    expect(Object.keys(shown)).toEqual(Object.keys(message));
    expect(Object.keys(shown.data)).toEqual(Object.keys(message.data));
    expect(shown).toMatchObject({ type: message.type, specversion: message.specversion });
  });

  it('is a mail whose subject has one line, and whose text is no markup', () => {
    const mail = ownerMail({ to: 'team@example.com', id: message.id, ...message.data });
    expect(mail.subject).toBe('Erasures: bil<b>ling Bcc: x is late');
    expect(mail.html).not.toContain('<b>');
    for (const part of [
      'past their deadline: 2',
      'failing: 1',
      'stripe 💳',
      '28 November 2026, 09:59 UTC',
      'm-1',
      message.data.url,
    ])
      expect(mail.text).toContain(part);
    const well = ownerMail({ to: 'team@example.com', id: 'm-2', ...message.data, state: 'well' });
    expect(well.subject).toBe('Erasures: bil<b>ling Bcc: x is well again');
    expect(well.text).not.toContain('deadline');
  });
});

describe('what keeps a team from being told', () => {
  const owners = [
    { owner: 'a', notify: { url: 'https://hooks.example.com/a', secret: 'A' } },
    { owner: 'b', notify: { url: 'http://hooks.example.com/b', secret: 'B' } },
    { owner: 'c', notify: { url: 'https://10.0.0.1/c', secret: 'B' } },
    { owner: 'd', notify: { mail: 'd@example.com' } },
    { owner: 'e' },
  ];
  it('is said of each, without a value', () => {
    const variable = (name: string) => (name === 'B' ? 'short' : undefined);
    expect(findUntellable(owners, { variable, privateHosts: [] })).toEqual([
      'A: required to tell the owner a',
      'owner b: B: has fewer than 24 bytes',
      'owner b: notify.url: expected https://, or a host that is in LETHE_PRIVATE_HOSTS',
      'owner c: B: has fewer than 24 bytes',
      'owner c: notify.url: its address is private, and not in LETHE_PRIVATE_HOSTS',
    ]);
    const set = () => 's'.repeat(24);
    expect(findUntellable(owners, { variable: set, privateHosts: ['10.0.0.1', 'hooks.example.com'] })).toEqual([]);
  });

  it('may be a name that is misspelt, at either end', () => {
    const found = (owners: string, more = '') =>
      findStrangeOwners(
        parseCatalog(`
account: { table: accounts, key: id }
locations:
  - { table: posts, account: account_id, owner: reader }
  - { table: bills, account: account_id, owner: biling }
owners: [${owners}]
${more}`),
      );
    expect(found('{ owner: reader }, { owner: billing }')).toEqual([
      'owners.1: billing answers for nothing: did you mean biling?',
      'locations.1: the owner biling is not in owners: did you mean billing?',
    ]);
    expect(found('{ owner: reader }, { owner: lethe }')).toEqual([]);
    expect(found('{ owner: zebra }')).toEqual(['owners.0: zebra answers for nothing, and is never told']);
    expect(found('{ owner: warehouse }', 'dataset: { owner: warehouse, folder: /x }')).toEqual([]);
    expect(found('{ owner: warehouse }', 'dataset: { owner: warehose, folder: /x }')).toEqual([
      'owners.0: warehouse answers for nothing: did you mean warehose?',
      'dataset: the owner warehose is not in owners: did you mean warehouse?',
    ]);
  });
});
