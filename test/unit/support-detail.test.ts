import { describe, expect, it } from 'vitest';
import type { Erasure } from '../../src/erasure/model/states.ts';
import type { TaskFacts } from '../../src/erasure/progress/overview.ts';
import type { LocationProgress } from '../../src/erasure/progress/status.ts';
import { detailPage } from '../../src/http/support/detail.ts';

const NOW = new Date('2026-11-22T13:30:00Z');
const BEFORE = new Date('2026-11-22T13:00:00Z');
const DUE = new Date('2026-12-22T13:00:00Z');

const erasure = (state: string) =>
  ({
    id: '0193f0a0-0000-7000-8000-000000000000',
    accountKey: '4711',
    catalogDigest: 'abcdef0123456789',
    state,
    mode: 'scheduled',
    requestedAt: BEFORE,
    startsAt: BEFORE,
    startedAt: BEFORE,
    dueAt: DUE,
    completedAt: state === 'completed' ? NOW : null,
    heldAt: null,
    email: null,
    jobId: null,
    newerAccountAt: null,
    probeAt: null,
    requestedBy: null,
    scrubbedAt: null,
    signOutAt: null,
    cancelledAt: null,
    pass: 1,
  }) as Erasure;
const location = (change: Partial<LocationProgress>): LocationProgress => ({
  name: 'posts',
  kind: 'table',
  action: 'delete',
  owner: 'reader',
  state: 'done',
  rowsDeleted: 2500,
  rowsPlanned: 2500,
  lastError: null,
  ...change,
});
const LOCATIONS = [
  location({}),
  location({ name: 'newsletter', owner: 'marketing', state: 'awaiting', rowsDeleted: 0, rowsPlanned: null }),
  location({ name: 'invoices', owner: 'billing', state: 'retained', rowsDeleted: 0, rowsPlanned: 12 }),
  location({ name: 'accounts', kind: 'account', rowsDeleted: 1, rowsPlanned: 1 }),
];

/** The page's words, row by row: what each location's line says, and what stands above. */
async function read(state: string, dueAt = DUE, locations: readonly LocationProgress[] = LOCATIONS, more: object = {}) {
  const tasks = locations.map(({ name, kind }) => ({ location: name, kind, attempts: 0, pass: 1, dueAt }) as TaskFacts);
  const progress = { rowsDeleted: 2501, rowsPlanned: null, percent: null, etaSeconds: null, locations: [...locations] };
  const view = {
    erasure: erasure(state),
    progress,
    tasks,
    mails: [],
    history: [],
    pace: null,
    notice: undefined,
    ...more,
  };
  const viewer = { user: { name: 'otto', role: 'support' as const }, csrf: 't' };
  const page = String(await detailPage((to) => to, viewer, view, NOW));
  const words = (html: string) =>
    html
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim();
  const [top = '', rest = ''] = page.split('<div class="columns">');
  const rows = [...rest.matchAll(/<tr role="row"[^>]*>(.*?)<\/tr>/gs)].map(([, row]) => words(String(row)));
  return { top: words(top), row: (name: string) => rows.find((row) => row.startsWith(name)) };
}

describe('the page of an erasure that others have not confirmed', () => {
  it('names who has not confirmed what, and nobody else', async () => {
    const { top } = await read('awaiting');
    expect(top).toContain('Awaiting partners Waits for partners to confirm.');
    expect(top.match(/\w+ has not confirmed \w+ yet/g)).toEqual(['marketing has not confirmed newsletter yet']);
    expect((await read('running')).top).not.toContain('has not confirmed');
  });

  it('says of each location how it stands, and counts nothing that nobody has counted', async () => {
    const { row } = await read('awaiting');
    expect(row('posts')).toBe('posts reader Done 2,500 – – 22 Dec, 13:00 UTC');
    expect(row('newsletter')).toBe(
      'newsletter marketing Waits for its owner’s confirmation not counted – – 22 Dec, 13:00 UTC',
    );
    expect(row('invoices')).toBe('invoices billing Kept none – – 22 Dec, 13:00 UTC');
    expect(row('accounts')).toContain('the account’s own row, last');
  });

  it('names a few of those who have not confirmed, and counts the others', async () => {
    const many = Array.from({ length: 8 }, (_, n) =>
      location({ name: `system${n}`, owner: 'team', state: 'awaiting' }),
    );
    const { top } = await read('awaiting', DUE, many);
    expect(top.match(/team has not confirmed \w+ yet/g)).toHaveLength(5);
    expect(top).toContain('3 more have not been confirmed');
  });

  it('calls overdue what is outstanding, never what is kept or done', async () => {
    const { row } = await read('awaiting', BEFORE);
    expect(row('newsletter')).toContain('Overdue');
    for (const name of ['posts', 'invoices']) expect(row(name)).not.toContain('Overdue');
  });

  it('goes on saying what was kept when all is over', async () => {
    const { top, row } = await read('completed');
    expect(top).not.toContain('has not confirmed');
    expect(row('invoices')).toContain('Kept');
  });

  it('tells of a partner its last answer, tries and the next one, and of workers that ended without an answer', async () => {
    const asked = {
      waiting: 1,
      accepted: 0,
      tries: 4,
      askedAt: BEFORE,
      lastAnswer: '<b>503</b>',
      lastAt: BEFORE,
      nextTryAt: DUE,
      askingUntil: null,
      openSince: BEFORE,
      pausedUntil: null,
    };
    const search = location({ name: 'search', kind: 'http', owner: 'discovery', state: 'awaiting', asked });
    const interrupted = new Map([['posts', { times: 2, lastAt: BEFORE }]]);
    const { row } = await read('awaiting', DUE, [location({}), search], { interrupted });
    expect(row('search')).toBe(
      'search discovery Circuit open since 13:00 UTC 2,500 of 2,500 4 at 22 Dec, 13:00 UTC, in 30 days, or once a probe is answered 22 Dec, 13:00 UTC',
    );
    expect(row('Circuit open since 13:00 UTC, 30 min ago.')).toContain(
      'Last answer at 13:00 UTC, 30 min ago: &lt;b&gt;503&lt;/b&gt;.',
    );
    expect(row('A worker that had it ended without an answer')).toContain(
      'killed, for example out of memory. Noticed 2 times, last at 13:00 UTC, 30 min ago.',
    );
  });
});
