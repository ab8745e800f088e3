import { LetheError } from '../../errors.ts';
import type { Executor } from '../../store/client.ts';
import { inspectHooks } from './inspect-hooks.ts';
import { qualified } from './names.ts';
import type { Hook, TableName } from './types.ts';

/**
 * Throws `change_ignored` when something on `table` can have turned a change of `rows` locked rows into nothing, and
 * names it. Where nothing can, the rows are there for another reason, and it returns.
 */
export async function refuseIgnored(
  db: Executor,
  table: TableName & { name?: string },
  event: Hook['event'],
  rows: number,
): Promise<void> {
  const hooks = (await inspectHooks(db, [table])).filter((hook) => hook.vetoes && hook.event === event);
  if (hooks.length === 0) return;
  const names = hooks.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  throw new LetheError(
    'change_ignored',
    `${qualified(table)}: ${event} left ${rows === 1 ? 'a row' : `${rows} rows`} as before although locked: see ${names}`,
    table.name === undefined ? {} : { location: table.name },
  );
}
