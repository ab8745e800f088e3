import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from './world.ts';

const TABLES = `
  CREATE TABLE accounts (id bigint PRIMARY KEY, number bigint NOT NULL UNIQUE, tenant bigint NOT NULL,
    email text, flag timestamptz);
  CREATE INDEX ON accounts (tenant);
  CREATE TABLE feeds (id bigint PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE);
  CREATE TABLE posts (id bigint PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    feed_id bigint NOT NULL REFERENCES feeds ON DELETE CASCADE);
  CREATE INDEX ON feeds (account_id, id);
  CREATE INDEX ON posts (account_id, id);
  CREATE INDEX ON posts (feed_id);`;
export const CATALOG = `
account: { table: $.accounts, key: id, email: email, flag: flag }
locations:
  - { table: $.posts, account: account_id, owner: reader }
  - { table: $.feeds, account: account_id, owner: reader }
`;

let count = 0;

/** An application in a schema of its own, which is `$` in the texts: its tables, then `change`, and its catalog. */
export async function application(world: World, change = '', catalog = CATALOG) {
  const schema = `app_${++count}`;
  await world.sql.begin(async (tx) => {
    await tx.unsafe(`CREATE SCHEMA ${schema}; SET LOCAL search_path TO ${schema}`);
    await tx.unsafe(TABLES + change.replaceAll('$', schema));
  });
  const file = join(world.folder, `${schema}.yaml`);
  writeFileSync(file, catalog.replaceAll('$', schema));
  return { schema, file, named: (texts: readonly string[]) => texts.map((text) => text.replaceAll('$', schema)) };
}
