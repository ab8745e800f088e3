import { is } from 'drizzle-orm';
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core';
import * as schema from './schema.ts';

/** Names of tables (`schema.table`) and of constraints and indexes that were read from the system's catalog. */
const tables = new Set<string>();
const constraints = new Set<string>();

for (const table of Object.values(schema).filter((value) => is(value, PgTable))) {
  const { name, schema: room, indexes, checks, foreignKeys } = getTableConfig(table);
  tables.add(`${room}.${name}`);
  constraints.add(`${name}_pkey`);
  for (const known of [
    ...indexes.map((i) => i.config.name),
    ...checks.map((c) => c.name),
    ...foreignKeys.map((f) => f.getName()),
  ])
    if (known) constraints.add(known);
}

/**
 * Lets error texts name these tables (`schema.table`) and constraints. Only what the system's catalog says may be given
 * here: an error's own fields may hold anything, because a trigger fills them with `RAISE … USING TABLE`.
 */
export function rememberNames(found: { tables: readonly string[]; constraints: readonly string[] }): void {
  for (const name of found.tables) tables.add(name);
  for (const name of found.constraints) constraints.add(name);
}

export const isKnownTable = (name: string): boolean => tables.has(name);
export const isKnownConstraint = (name: string): boolean => constraints.has(name);
