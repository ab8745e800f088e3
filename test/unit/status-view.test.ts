import { describe, expect, it } from 'vitest';
import type { Erasure } from '../../src/erasure/model/states.ts';
import { DATA } from '../../src/erasure/progress/for-user.ts';
import type { LocationProgress, Progress } from '../../src/erasure/progress/status.ts';
import { barWords, leftWords } from '../../src/http/assets/live-view.js';
import { confirmPage, inUtc, type Links, missingPage, type Site, statusPage } from '../../src/http/status/page.ts';
import { isNotice, labelOf, viewStatus } from '../../src/http/status/view.ts';

const NOW = new Date('2026-11-22T13:30:00Z');
const LATER = new Date('2026-11-22T14:00:00Z');
const EARLIER = new Date('2026-11-22T13:00:00Z');

/** What the page looks at; the other columns are of no concern to it. */
const erasure = (change: Partial<Erasure>) =>
  ({
    id: '0193f0a0-0000-7000-8000-000000000000',
    email: 'ada@example.com',
    state: 'scheduled',
    startsAt: LATER,
    startedAt: null,
    completedAt: null,
    cancelledAt: null,
    heldAt: null,
    ...change,
  }) as Erasure;
const location = (change: Partial<LocationProgress>): LocationProgress => ({
  name: 'posts',
  kind: 'table',
  action: 'delete',
  owner: 'reader',
  state: 'running',
  rowsDeleted: 0,
  rowsPlanned: null,
  lastError: null,
  ...change,
});
const progress = (change: Partial<Progress> = {}): Progress => ({
  rowsDeleted: 1250,
  rowsPlanned: 2501,
  percent: 49,
  etaSeconds: 130,
  locations: [
    location({ rowsDeleted: 1250, rowsPlanned: 2500 }),
    location({ name: 'user_feeds', state: 'pending' }),
    location({ name: 'accounts', kind: 'account', state: 'pending', rowsPlanned: 1 }),
  ],
  ...change,
});
const view = (e: Partial<Erasure>, p: Partial<Progress> = {}, now = NOW) => viewStatus(erasure(e), progress(p), now);
const begun = { startedAt: EARLIER };

const SITE: Site = { brand: 'Reader', brandUrl: 'https://reader.example', href: (name) => `/assets/${name}` };
const LINKS: Links = {
  self: '/status/x?token=t',
  undo: '/status/x/undo',
  start: '/status/x/start',
  askStart: '/status/x/start?token=t',
  events: '/v1/erasures/x/events?token=t',
  token: 't',
};
const page = async (...args: Parameters<typeof view>) =>
  String(await statusPage(SITE, LINKS, view(...args), 'reference'));

describe('what the page says', () => {
  it('when it is scheduled: what is coming, and both ways out', () => {
    const shown = view({});
    expect(shown).toMatchObject({ shown: 'scheduled', canUndo: true, canStart: true, final: false, overall: null });
    expect(shown.lead).toContain(LATER);
    expect(shown.next.join(' ')).toContain('everything in your account is deleted for good: posts and user feeds.');
    expect(shown.next.join(' ')).toContain('We send you a mail');
    expect(view({ email: null }).next.join(' ')).not.toContain('mail');
    expect(shown.bars).toEqual([]);
  });

  it('when its time has come and nothing has started yet: any moment, and still an undo', () => {
    const shown = view({}, {}, new Date(LATER.getTime() + 1));
    expect(shown.lead.join('')).toContain('any moment');
    expect(shown.canUndo).toBe(true);
  });

  it('when it runs: how far, how long, and no way back', () => {
    const shown = view({ state: 'running', ...begun });
    expect(shown).toMatchObject({ canUndo: false, canStart: false, final: false });
    expect(shown.overall).toEqual({ value: 49, max: 100, percent: '49%', left: 'About 2 minutes left' });
    expect(shown.bars).toEqual([
      { name: 'posts', label: 'Posts', value: 1250, max: 2500, words: '1,250 of 2,500' },
      { name: 'user_feeds', label: 'User feeds', value: 0, max: 1, words: 'Waiting' },
      { name: 'accounts', label: 'Account', value: 0, max: 1, words: 'Waiting' },
    ]);
  });

  it('when it is on hold: paused, and neither by whom nor why', async () => {
    const held = { heldAt: NOW, heldBy: 'user:carol', holdReason: 'lawsuit 4711' };
    for (const state of ['running', 'stalled', 'awaiting']) {
      const text = await page({ state, ...begun, ...held });
      expect(text).toContain('The deletion is paused');
      expect(text).not.toMatch(/carol|lawsuit|left</);
    }
    expect(view({ ...held })).toMatchObject({ shown: 'held', canUndo: true, canStart: false });
    expect(view({ state: 'completed', completedAt: NOW, ...begun, ...held }).shown).toBe('completed');
  });

  it('when it is stalled: that somebody looks into it, and no error', async () => {
    const locations = [
      location({ state: 'failed', lastError: 'chunk_exhausted: posts', rowsPlanned: 5, rowsDeleted: 2 }),
    ];
    const text = await page({ state: 'stalled', ...begun }, { locations, etaSeconds: null });
    expect(text).toContain('we are looking into it');
    expect(text).not.toMatch(/exhausted|fail|error|left</i);
  });

  it('when others have to confirm: that it is gone here, which kinds of data are not confirmed, and no system', async () => {
    const locations = [
      location({ state: 'done', rowsDeleted: 2500, rowsPlanned: 2500 }),
      location({ name: 'accounts', kind: 'account', state: 'done', rowsDeleted: 1, rowsPlanned: 1 }),
      location({ name: 'files', kind: DATA, owner: '', state: 'awaiting' }),
      location({ name: 'payments', kind: DATA, owner: '', state: 'done' }),
    ];
    const shown = view({ state: 'awaiting', ...begun }, { locations });
    expect(shown.lead.join('')).toMatch(/^Your account is gone here\. Other systems .* are being told/);
    expect(shown.more.map((phrase) => phrase.join(''))).toEqual([
      'Not confirmed yet: files.',
      'There is nothing you need to do. We send you a mail when everything is confirmed.',
    ]);
    expect(shown.bars.slice(2)).toEqual([
      { name: 'files', label: 'Files', value: 0, max: 1, words: 'Waiting for confirmation' },
      { name: 'payments', label: 'Payments', value: 1, max: 1, words: 'Deleted' },
    ]);
    const text = await page({ state: 'awaiting', ...begun, email: null }, { locations });
    expect(text).not.toMatch(/completed|has been deleted|mail/i);
  });

  it('when it is done elsewhere too: that it was deleted, and no count of what others had', () => {
    const locations = [location({ name: 'files', kind: DATA, state: 'done' })];
    const shown = view({ state: 'completed', completedAt: NOW, ...begun }, { locations });
    expect(shown.counts).toEqual([{ label: 'Files', words: 'Deleted' }]);
  });

  it('when others have to confirm: almost done, and where it is not confirmed or kept', () => {
    const locations = [
      location({ state: 'done', rowsDeleted: 2500, rowsPlanned: 2500 }),
      location({ name: 'newsletter', state: 'awaiting' }),
      location({ name: 'invoices', state: 'retained', rowsPlanned: 12 }),
    ];
    const shown = view({ state: 'awaiting', ...begun }, { locations });
    expect(shown).toMatchObject({ heading: 'Almost done', overall: null, counts: [], final: false, canUndo: false });
    expect(shown.bars).toEqual([
      { name: 'posts', label: 'Posts', value: 2500, max: 2500, words: '2,500 deleted' },
      { name: 'newsletter', label: 'Newsletter', value: 0, max: 1, words: 'Waiting for confirmation' },
      { name: 'invoices', label: 'Invoices', value: 12, max: 12, words: 'Kept' },
    ]);
  });

  it('when it is done and something is kept: not that everything is gone', () => {
    const locations = [
      location({ state: 'done', rowsDeleted: 2500, rowsPlanned: 2500 }),
      location({ name: 'invoices', state: 'retained', rowsPlanned: 12 }),
    ];
    const shown = view({ state: 'completed', completedAt: NOW, ...begun }, { locations, percent: 100 });
    expect(shown.lead).toEqual(['Everything in it that we need not keep was deleted for good', ' ', NOW, '.']);
    expect(shown.counts).toEqual([
      { label: 'Posts', words: '2,500' },
      { label: 'Invoices', words: 'Kept' },
    ]);
  });

  it('when it is done: what was deleted and when, from the ledger', () => {
    const locations = [
      location({ state: 'done', rowsDeleted: 2500, rowsPlanned: 2600 }),
      location({ name: 'accounts', kind: 'account', state: 'done', rowsDeleted: 1, rowsPlanned: 1 }),
    ];
    const shown = view({ state: 'completed', completedAt: NOW, ...begun }, { locations, percent: 100 });
    expect(shown).toMatchObject({ final: true, bars: [], overall: null, canUndo: false });
    expect(shown.lead).toContain(NOW);
    expect(shown.counts).toEqual([
      { label: 'Posts', words: '2,500' },
      { label: 'Account', words: '1' },
    ]);
  });

  it('when it was undone: that nothing is gone', () => {
    const shown = view({ state: 'cancelled', cancelledAt: NOW });
    expect(shown).toMatchObject({ final: true, canUndo: false, counts: [] });
    expect(shown.more.flat().join('')).toContain('Nothing was deleted, and your account works again.');
  });
});

describe('words', () => {
  it('of a time left are round ones', () => {
    const cases: [number | null, string][] = [
      [null, 'Working out how long it will take'],
      [0, 'Less than a minute left'],
      [59, 'Less than a minute left'],
      [60, 'About 1 minute left'],
      [5399, 'About 90 minutes left'],
      [5400, 'About 2 hours left'],
      [86_400, 'About 24 hours left'],
      [200_000, 'About 2 days left'],
    ];
    for (const [seconds, words] of cases) expect(leftWords(seconds)).toBe(words);
  });

  it('of a location never promise more than was planned', () => {
    expect(barWords(location({ rowsDeleted: 30, rowsPlanned: 20 }))).toBe('20 of 20');
    expect(barWords(location({ state: 'done', rowsDeleted: 0, rowsPlanned: 0 }))).toBe('Nothing to delete');
    expect(barWords(location({ state: 'retained' }))).toBe('Kept');
  });

  it('of a name are its own', () => {
    expect(labelOf({ name: 'userSessions', kind: 'table' })).toBe('User sessions');
    expect(labelOf({ name: 'app.read-marks', kind: 'table' })).toBe('Read marks');
    expect(labelOf({ name: '___', kind: 'table' })).toBe('___');
    expect(labelOf({ name: 'accounts', kind: 'account' })).toBe('Account');
  });

  it('of a moment name their zone', () => {
    expect(inUtc(LATER)).toBe('on 22 November 2026 at 14:00 UTC');
  });

  it('of a notice are ours alone', () => {
    expect(isNotice('late')).toBe(true);
    for (const text of ['toString', '__proto__', '<b>', undefined]) expect(isNotice(text)).toBe(false);
  });
});

describe('the page', () => {
  const HOSTILE = `"><script>alert('x')</script><!--`;

  it('escapes whatever it is given', async () => {
    const site: Site = { ...SITE, brand: HOSTILE, brandUrl: `https://x/${HOSTILE}` };
    const links = Object.fromEntries(Object.keys(LINKS).map((key) => [key, HOSTILE])) as Links;
    const locations = [location({ name: HOSTILE, rowsPlanned: 1 })];
    const views = [view({}, { locations }), view({ state: 'running', ...begun }, { locations })];
    const pages = [
      ...views.map((v) => statusPage(site, links, v, HOSTILE)),
      confirmPage(site, links, HOSTILE),
      missingPage(site),
    ];
    for (const text of await Promise.all(pages)) {
      expect(String(text)).toContain('&lt;script&gt;');
      // The page's own, and nothing that came in.
      expect(String(text).match(/<script/g)).toHaveLength(1);
      expect(String(text)).not.toMatch(/alert\('|<!--|style="|onclick/);
    }
  });

  it('carries the token in its forms and nowhere once it is over', async () => {
    expect(await page({})).toContain('<input type="hidden" name="token" value="t">');
    const done = await page({ state: 'completed', completedAt: NOW, ...begun });
    expect(done).not.toMatch(/token|<form|data-events/);
  });

  it('reloads by itself without a script, only while something moves', async () => {
    const refresh = '<noscript><meta http-equiv="refresh" content="5"></noscript>';
    expect(await page({ state: 'running', ...begun })).toContain(refresh);
    for (const state of ['scheduled', 'stalled', 'completed', 'cancelled'])
      expect(await page({ state, ...begun })).not.toContain('refresh');
  });
});
