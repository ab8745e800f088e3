import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweepUp } from '../dev/reaper.ts';

/** Statements that plant an account of the reader: 26 rows besides its own. */
const PLANT = [
  "INSERT INTO accounts (email) VALUES ($marker || '@canary.test') RETURNING id",
  'INSERT INTO sessions (account_id) SELECT $account::bigint FROM generate_series(1, 2)',
  "INSERT INTO feeds (account_id, title) SELECT $account::bigint, 'Feed ' || n FROM generate_series(1, 4) n",
  "INSERT INTO posts (account_id, feed_id, title, body) SELECT account_id, id, 'Post', 'Post' FROM feeds, generate_series(1, 5) WHERE account_id = $account::bigint",
];

/** What a catalog says of test data: how often it is planted, and until when it must be gone. */
export const canarySection = ({ every = '6h', within = '1h', more = [] as readonly string[] } = {}): string =>
  [
    'canary:',
    '  owner: bench',
    `  every: ${every}`,
    '  wait: 1s',
    `  within: ${within}`,
    '  key: env:CANARY_API_KEY',
    '  plant:',
    ...[...PLANT, ...more].map((statement) => `    - ${JSON.stringify(statement)}`),
    '',
  ].join('\n');

/** The environment of processes that are watched. `entries` are those of partners, `sections` what follows the locations. */
export function withWatching({ entries = '', sections = '' } = {}): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'));
  sweepUp(folder);
  const catalog = join(folder, 'catalog.yaml');
  writeFileSync(catalog, `${readFileSync('catalog.yaml', 'utf8')}${entries}${sections}`);
  return { LETHE_CATALOG: catalog, LETHE_PRIVATE_HOSTS: '127.0.0.1', LETHE_PACE: 'full' };
}

/** A key that test data is asked for with: what the worker has, and what stands in `LETHE_API_KEYS`. */
export function canaryKey(): { env: Record<string, string>; listed: string } {
  const key = randomBytes(24).toString('base64url');
  return {
    env: { CANARY_API_KEY: key },
    listed: `canary=erasures:write=${createHash('sha256').update(key).digest('hex')}`,
  };
}
