import type { Mutation } from './mutation.ts';

/** What the live schema says about the catalog. */
export const CATALOG: readonly Mutation[] = [
  {
    name: 'unlisted-table-unseen',
    breaks: 'nothing is deleted unseen: a table that references the account must be in the catalog',
    edits: [{ file: 'src/catalog/checks/check-references.ts', find: 'errors.push(unlistedError(fk));', replace: '' }],
    tests: ['test/integration/catalog.test.ts'],
  },
  {
    name: 'new-foreign-key-unseen',
    breaks: 'nothing is deleted unseen: a foreign key that appeared since the start is an error',
    edits: [
      {
        file: 'src/locations/table/refuse-new-references.ts',
        find: 'if (!(await concerns(fk.parent))) continue;',
        replace: 'continue;',
      },
    ],
    tests: ['test/integration/changes.test.ts'],
  },
  {
    name: 'key-of-something-else',
    breaks: 'nobody else is touched: an account column whose foreign key leads elsewhere is refused',
    edits: [
      {
        file: 'src/catalog/checks/check-holder.ts',
        find: 'if (fk && fk.parent !== account.name) {',
        replace: 'if (!fk && !found) {',
      },
    ],
    tests: ['test/integration/catalog.test.ts'],
  },
  {
    name: 'second-column-unseen',
    breaks: 'the catalog covers the database: a second account column of a listed table is found',
    edits: [
      {
        file: 'src/catalog/checks/coverage.ts',
        find: '...open.map(([c, fk]) =>',
        replace: '...open.slice(1).map(([c, fk]) =>',
      },
    ],
    tests: ['test/integration/coverage.test.ts'],
  },
  {
    name: 'index-of-another-order',
    breaks: 'an index whose columns run in two directions is not the order that slices walk',
    edits: [{ file: 'src/catalog/live/inspect.ts', find: "ELSE 'other' END", replace: "ELSE 'asc' END" }],
    tests: ['test/integration/printed-statements.test.ts'],
  },
  {
    name: 'drift-takes-the-process-down',
    breaks:
      'an application’s migration takes no process down: a catalog that has fitted is served without what does not fit',
    edits: [
      {
        file: 'src/catalog/check.ts',
        find: '(await hasFitted(db, declared.digest))',
        replace: 'false',
      },
    ],
    tests: ['test/integration/drift.test.ts'],
  },
  {
    name: 'drift-of-others-concerns-all',
    breaks: 'a foreign key that the catalog does not know stops only whom it concerns',
    edits: [
      {
        file: 'src/locations/table/refuse-new-references.ts',
        find: 'return !location || (await findRemaining(db, [location], account)).length > 0;',
        replace: 'return !location || db !== undefined;',
      },
    ],
    tests: ['test/integration/drift.test.ts'],
  },
  {
    name: 'completed-without-a-location',
    breaks: 'nothing is left, or it is not complete: a location that cannot be used is not forgotten',
    edits: [
      {
        file: 'src/catalog/live/refuse-unusable.ts',
        find: 'if (drift.unusable.length > 0)',
        replace: 'if (drift.unusable.length < 0)',
      },
    ],
    tests: ['test/integration/drift.test.ts'],
  },
  {
    name: 'parents-before-children',
    breaks: 'in order: children are erased before their parents',
    edits: [
      {
        file: 'src/catalog/checks/order.ts',
        find: 'stage = Math.max(stage, (stages.get(child) as number) + 1);',
        replace: 'stage = Math.max(stage, stages.get(child) as number);',
      },
    ],
    tests: ['test/unit/order.test.ts'],
  },
  {
    name: 'misfit-of-another-kind-unseen',
    breaks: 'the catalog fits, or nothing starts with it: the errors of every kind count, not only those of tables',
    edits: [
      {
        file: 'src/catalog/resolve.ts',
        find: 'const fits = all.errors.length === 0 || how.leaveOutMisfits;',
        replace: 'const fits = kept !== undefined;',
      },
    ],
    tests: ['test/integration/entries.test.ts'],
  },
  {
    name: 'outcome-refused-in-other-words',
    breaks: 'an outcome that a kind refuses is refused in its own words',
    edits: [
      {
        file: 'src/catalog/language.ts',
        find: "return carrier && 'refused' in carrier ? carrier.refused : others;",
        replace: 'return carrier ? others : others;',
      },
    ],
    tests: ['test/unit/entries.test.ts'],
  },
];
