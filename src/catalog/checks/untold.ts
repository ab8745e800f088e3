import { type Declaration, tablesOf } from '../live/declared.ts';
import type { ForeignKey } from '../live/inspect.ts';
import { fullName, identifier } from '../live/names.ts';
import type { Relation } from '../live/relation.ts';
import { splitTold, toldTable } from '../live/told.ts';
import { columnName, ignoredOf } from './ignored.ts';
import { word } from './words.ts';

/** Names for what is kept elsewhere: files, and what services of others call an account or a thing of it. */
const ELSEWHERE = [
  /^(stripe|paypal|braintree|paddle|chargebee|mailchimp|sendgrid|intercom|zendesk|hubspot|salesforce|segment|auth0|firebase|cognito|twilio)_/,
  /(^|_)(customer|subscriber|contact)_id$/,
  /(^|_)(file|avatar|photo|picture|image|attachment|thumbnail|upload|blob|object|s3|storage)s?_?(key|url|path|name|id)?$/,
  /_url$/,
  /_key$/,
];
/** Keys that open or order something, and addresses that are only shown. */
const NOT_ELSEWHERE =
  /(^|_)(api|public|private|secret|signing|encryption|idempotency|dedupe|cache|sort|order|primary|foreign|unique|partition|license|website|homepage|callback|redirect|webhook|feed|canonical)_(key|url)$/;

/** `stripeCustomerId` and `stripe_customer_id` are the same name. */
const snake = (name: string) => name.replace(/([a-z\d])([A-Z])/g, '$1_$2').toLowerCase();

const isText = (type: string) => /^(text|character|varchar|citext)/.test(type);

const speaksOfElsewhere = (name: string): boolean =>
  ELSEWHERE.some((shape) => shape.test(snake(name))) && !NOT_ELSEWHERE.test(snake(name));

/**
 * Columns that seem to name files or accounts elsewhere, and that no partner is told of. When the rows are gone nobody can
 * say what they named. Looks at the listed tables, and the account's. Warnings, a table each.
 */
export function findUntold(
  declared: Declaration,
  relations: readonly Relation[],
  foreignKeys: readonly ForeignKey[],
): string[] {
  const { account } = declared;
  const ignored = ignoredOf(declared);
  const told = toldColumns(declared);
  const tables = [
    {
      name: fullName(account.table),
      keys: [account.key, account.email ?? ''],
      way: (c: string) => `select: { value: ${c} }`,
    },
    ...tablesOf(declared).map((t) => ({
      name: fullName(t.table),
      keys: [t.account],
      way: (c: string) => `each: ${c}`,
    })),
  ];
  return tables.flatMap(({ name, keys, way }) => {
    const relation = relations.find((r) => r.table === name);
    const references = foreignKeys.filter((fk) => fk.child === name).flatMap((fk) => fk.columns);
    const known = new Set([...keys, ...references, ...(relation?.key ?? [])].map(word));
    const found = (relation?.columns ?? []).filter(
      ({ name: column, type }) =>
        isText(type) &&
        speaksOfElsewhere(column) &&
        !known.has(word(column)) &&
        !told.has(columnName(name, column)) &&
        !ignored.columns.has(columnName(name, column)),
    );
    const [first] = found;
    if (!first) return [];
    const columns = found.map((c) => identifier(c.name)).join(', ');
    const what = found.length === 1 ? 'seems to name something' : 'seem to name things';
    const written = `${name.replace(/^public\./, '')}.${identifier(first.name)}`;
    return [
      `${name}: ${columns} ${what} that other systems keep, and no partner is told of ${found.length === 1 ? 'it' : 'them'} before the rows go: add a partner with ${way(written)}, or list each column under ignore with a reason`,
    ];
  });
}

/** What partners are told of, as `columnName` has it. */
function toldColumns(declared: Declaration): Set<string> {
  const tables = tablesOf(declared);
  const written = declared.locations.flatMap((entry) => {
    const { each, select = {} } = entry as { each?: string; select?: Record<string, string> };
    return [...(each === undefined ? [] : [each]), ...Object.values(select)];
  });
  return new Set(
    written.map((text) => {
      const told = splitTold(text);
      const table = toldTable(tables, told);
      return columnName(table ? fullName(table.table) : told.place, told.column);
    }),
  );
}
