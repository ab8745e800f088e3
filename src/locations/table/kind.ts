import type { TableLocation } from '../../catalog/live/types.ts';
import type { Carrier, Inside, Kind, Refused } from '../kind.ts';
import { compareTables } from './compare.ts';
import { declareTable, placeOfTable } from './declare.ts';
import { eraseAtRequest } from './erase-at-request.ts';
import { eraseRest } from './erase-rest.ts';
import { eraseSlice } from './erase-slice.ts';
import { eraseStubborn } from './erase-stubborn.ts';
import { estimateTables } from './estimate.ts';
import { findInTheWay, lookFirst } from './look-for-strays.ts';
import { planTable } from './plan.ts';
import { causeOf } from './refuse-new-references.ts';
import { countEachUpTo, countUpTo, findRemaining } from './rows/probe.ts';

const deleteRows: Carrier<TableLocation> = {
  estimate: estimateTables,
  plan: planTable,
  step: eraseSlice,
  prove: findRemaining,
};

const NOT_YET: Refused = { refused: 'only "delete" is supported by this version' };

const inside: Inside = {
  countUpTo: async (tx, { catalog: { tables } }, account, limit) => {
    const counts = await countEachUpTo(tx, tables, account, limit);
    return new Map(tables.map(({ name }, n) => [name, counts[n] ?? 0]));
  },
  countOneUpTo: (tx, location, account, limit) => countUpTo(tx, location as TableLocation, account, limit),
  eraseAtRequest,
  eraseRest,
  eraseStubborn,
};

/** A table of the account's own database. */
export const table: Kind<TableLocation> = {
  entry: 'table',
  declare: declareTable,
  placeOf: placeOfTable,
  resolve: compareTables,
  outcomes: { delete: deleteRows, set: NOT_YET, keep: NOT_YET, refuse: NOT_YET },
  inside,
  outside: null,
  look: lookFirst,
  findInTheWay,
  causeOf: ({ db, catalog }, error) => causeOf(db, catalog, error),
};
