import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCatalog, inspectCatalog, inspectDrifted } from '../../src/catalog/check.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import type { Resources } from '../../src/resources.ts';
import { application, CATALOG } from '../support/application.ts';
import { withLetterboxes } from '../support/letterbox.ts';
import { createWorld, type World } from '../support/world.ts';

const LETTERS = `${CATALOG}  - { letterbox: Smith, street: High Street, owner: post }\n  - { letterbox: Jones, owner: post }\n`;

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

describe('a catalog of two kinds', () => {
  it('is resolved by both: the locations in the order of their stages and names, and what the catalog keeps of tables', async () => {
    const kinds = withLetterboxes('High Street');
    const { schema, file, named } = await application(world, '', LETTERS);
    const { catalog, warnings, drift } = await checkCatalog(domain.connection.db, loadCatalog(file, kinds), kinds);
    expect(warnings).toEqual([]);
    expect(drift.problems).toEqual([]);
    expect(catalog.locations.map(({ kind, name, stage }) => [kind, name, stage])).toEqual([
      ['table', `${schema}.posts`, 0],
      ['table', `${schema}.feeds`, 1],
      ['letterbox', 'Jones', 1],
      ['letterbox', 'Smith', 1],
    ]);
    expect(catalog.tables.map(({ name }) => name)).toEqual(named(['$.posts', '$.feeds']));
    expect(catalog.references).toHaveLength(3);
  });

  it('is refused with the errors of both', async () => {
    const kinds = withLetterboxes();
    const { file, named } = await application(world, 'DROP TABLE posts', LETTERS);
    const declared = loadCatalog(file, kinds);
    const { catalog, errors } = await inspectCatalog(domain.connection.db, declared, kinds);
    expect(errors).toEqual(named(['$.posts: there is no such table', 'Smith: there is no street High Street']));
    expect(catalog).toBeUndefined();
  });

  it('is refused where the tables fit, and the other kind does not', async () => {
    const kinds = withLetterboxes();
    const { file } = await application(world, '', LETTERS);
    const { catalog, errors } = await inspectCatalog(domain.connection.db, loadCatalog(file, kinds), kinds);
    expect(errors).toEqual(['Smith: there is no street High Street']);
    expect(catalog).toBeUndefined();
  });

  it('is left with what fits: the misfits of each kind are named, and no others', async () => {
    const kinds = withLetterboxes();
    const { file, named } = await application(world, 'DROP TABLE posts', LETTERS);
    const { catalog, drift } = await inspectDrifted(domain.connection.db, loadCatalog(file, kinds), kinds);
    expect(drift.unusable).toEqual(named(['$.posts: there is no such table', 'Smith: there is no street High Street']));
    expect(catalog?.locations.map(({ name }) => name)).toEqual(named(['$.feeds', 'Jones']));
  });
});
