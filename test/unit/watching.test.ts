import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../../src/catalog/load.ts';
import { UsageError } from '../../src/errors.ts';

const BASE = `account: { table: accounts, key: id }
locations: [{ table: posts, account: account_id, owner: reader }]
`;
const WATCHED = `${BASE}
owners:
  - { owner: reader, contact: "#reader", notify: { url: "https://hooks.example.com/x", secret: "env:READER_ALERTS" } }
  - { owner: billing, notify: { mail: billing@example.com } }
canary:
  owner: privacy
  every: 6h
  wait: 5m
  key: env:CANARY_API_KEY
  plant: ["INSERT INTO accounts (email) VALUES ($marker) RETURNING id"]
dataset: { owner: warehouse, folder: /var/lib/lethe }
`;

function problemsOf(text: string): readonly string[] {
  try {
    parseCatalog(text, 'cat');
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  throw new Error('the catalog was accepted');
}

describe('what a catalog says of how it is watched', () => {
  it('is read, with durations in milliseconds, variables by name, and the defaults', () => {
    const { owners, canary, dataset } = parseCatalog(WATCHED);
    expect(owners?.[0]).toEqual({
      owner: 'reader',
      contact: '#reader',
      notify: { url: 'https://hooks.example.com/x', secret: 'READER_ALERTS' },
    });
    expect(owners?.[1]?.notify).toEqual({ mail: 'billing@example.com' });
    expect(canary).toEqual({
      owner: 'privacy',
      every: 21_600_000,
      wait: 300_000,
      within: 3_600_000,
      key: 'CANARY_API_KEY',
      plant: ['INSERT INTO accounts (email) VALUES ($marker) RETURNING id'],
    });
    expect(dataset).toEqual({ owner: 'warehouse', sla: 172_800_000, folder: '/var/lib/lethe' });
  });

  it('changes neither the digest nor what erasures keep', () => {
    const [plain, watched] = [parseCatalog(BASE), parseCatalog(WATCHED)];
    expect(watched.digest).toBe(plain.digest);
    expect(watched.source).toEqual(plain.source);
  });

  it.each([
    ['owners: [{ owner: a, notify: { url: "ftp://x", secret: "env:A" } }]', /^cat: owners\.0\.notify/],
    ['owners: [{ owner: a, notfy: { mail: a@b.c } }]', /^cat: owners\.0: .*unknown key notfy: notify\?$/],
    ['owners: [{ owner: a }, { owner: a }]', /^cat: owners\.1: a is listed twice, first at owners\.0$/],
    [
      'canary: { owner: a, every: 6h, key: secret, plant: [SELECT 1] }',
      /^cat: canary\.key: expected env: and the name/,
    ],
    ['canary: { owner: a, every: 1ms, key: "env:A", plant: [SELECT 1] }', /^cat: canary\.every: expected 1m to 7d$/],
    ['canary: { owner: a, every: 1h, key: "env:A", plant: [] }', /^cat: canary\.plant: /],
    ['dataset: { owner: a }', /^cat: dataset: expected a folder or s3, and one of them only$/],
    ['dataset: { owner: a, folder: x, s3: { bucket: abc } }', /^cat: dataset: expected a folder or s3/],
    ['dataset: { owner: a, s3: { bucket: abc, prefix: ../x } }', /^cat: dataset\.s3\.prefix: /],
  ])('refuses %s', (line, words) => {
    expect(problemsOf(`${BASE}${line}\n`)).toContainEqual(expect.stringMatching(words));
  });
});
