import { afterAll, beforeAll, expect, it } from 'vitest';
import { PAGES, SNIPPETS, spansOf } from '../support/snippets.ts';
import { accepted, LARGE, subject } from '../support/subject.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

/** Pages that tell somebody what to type; others only name a statement. */
const TOLD = ['docs/operations.md', 'README.md'];
const VERBS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'ALTER', 'DROP', 'GRANT', 'REVOKE'];
/** Pasted as it stands by test/integration/operations-grants.test.ts. */
const isGrants = (text: string) => text.startsWith('CREATE ROLE lethe LOGIN');
/** Left open, or the name of a kind of statement, not one. */
const isMention = (text: string) => text.replaceAll("'…'", '').includes('…') || /^[A-Z ]+$/.test(text);

const blocks = SNIPPETS.filter(({ language }) => language === 'sql').map(({ place, text }) => ({ place, text }));
const spans = TOLD.flatMap((place) =>
  VERBS.flatMap((verb) => spansOf(PAGES.get(place) ?? '', verb).map((text) => ({ place, text }))),
);
const STATEMENTS = [...blocks, ...spans].filter(({ text }) => !isGrants(text) && !isMention(text));

let world: World;
let call: Call;
let role: string;

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
  // A role belongs to the whole server, which other test files share.
  role = `role_${world.url.split('/').at(-1)}`;
  await world.sql.unsafe(`CREATE ROLE ${role}`);
});
afterAll(async () => {
  await world.sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`).simple();
  await world.close();
});

it('is found', () => {
  expect(STATEMENTS.length).toBeGreaterThan(12);
  expect(blocks.filter(({ text }) => isGrants(text))).toHaveLength(1);
});

it.each(STATEMENTS.map(({ place, text }): [string, string] => [`${place}: ${text.slice(0, 80)}`, text]))(
  'runs: %s',
  async (_, text) => {
    const { account } = await subject(world.sql, LARGE);
    const { id } = await accepted(call, account);
    const filled = text
      .replaceAll('<account>', account)
      .replaceAll(/'(…|<erasureId>)'/g, `'${id}'`)
      .replaceAll('<pid>', '0')
      .replaceAll(/\b(TO|ROLE) lethe\b/g, `$1 ${role}`);
    // What is built by hand before a migration is there after it.
    const index = /^CREATE INDEX CONCURRENTLY (\w+) ON lethe\./.exec(text)?.[1];
    if (index) await world.sql.unsafe(`DROP INDEX lethe.${index}`);
    await world.sql.unsafe(filled).simple();
    if (!index) return;
    const [built] = await world.sql`
      SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = ${`lethe.${index}`}::regclass`;
    expect(built?.valid).toBe(true);
  },
);
