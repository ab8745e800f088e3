import { join } from 'node:path';
import type { Sql } from 'postgres';
import { lethe } from './stack.ts';

const LOOK_MS = 250;
/** A cycle takes about ten seconds where nothing else runs. */
const CYCLE_MS = 120_000;

/** Where the demo's dataset is written, below its folder. */
const datasetOf = (folder: string) => join(folder, 'dataset');

/** A catalog with all that it can say of how it is watched: a team that is mailed, test data, the dataset. */
export const watched = (catalog: string, folder: string): string => `${catalog
  .replace(
    /^locations:/m,
    '  - { owner: search, contact: "#search", notify: { mail: search-team@example.com } }\nlocations:',
  )
  .trimEnd()}
canary:
  owner: privacy
  every: 7d
  wait: 1s
  within: 10m
  key: env:CANARY_API_KEY
  plant:
    - INSERT INTO accounts (email) VALUES ($marker || '@example.com') RETURNING id
    - INSERT INTO sessions (account_id) VALUES ($account)
    - INSERT INTO feeds (account_id, title) VALUES ($account, $marker)
    - INSERT INTO posts (account_id, feed_id, title, body) SELECT $account, id, $marker, 'test' FROM feeds WHERE account_id = $account
dataset: { owner: warehouse, folder: ${JSON.stringify(datasetOf(folder))} }
`;

type Cycle = { state: string; planted: Record<string, number>; findings: { location: string; words: string }[] | null };

/** Waits until the worker's first test data is gone, and says what was planted. Throws where something is found. */
export async function watchTestData(sql: Sql, say: (text: string) => void): Promise<void> {
  const end = Date.now() + CYCLE_MS;
  for (;;) {
    const [cycle] = await sql<(Cycle & { words: string | null })[]>`
      SELECT state, planted, findings, last_words AS words FROM lethe.canary ORDER BY created_at LIMIT 1`;
    if (cycle?.state === 'passed') {
      const planted = Object.entries(cycle.planted).map(([name, n]) => `${name} ${n}`);
      return say(`   passed: it planted ${planted.join(', ')}; all of it is gone`);
    }
    const found = cycle?.findings?.map(({ location, words }) => `${location}: ${words}`).join('; ');
    if (cycle?.state === 'failed') throw new Error(`test data was not erased: ${found}`);
    if (Date.now() > end)
      throw new Error(
        `test data is still ${cycle?.state ?? 'to come'}: ${cycle?.words ?? found ?? 'no reason is known'}`,
      );
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** How the dataset stands, in one line. Only days that have ended are in it. */
export async function readDataset(env: Readonly<Record<string, string>>): Promise<string> {
  const ran = lethe(['dataset', 'status'], { ...env });
  await ran.exited;
  return ran.output().trimEnd().split('\n').at(-1) ?? '';
}
