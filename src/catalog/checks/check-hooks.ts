import type { Problems } from '../live/declared.ts';
import type { Hook } from '../live/types.ts';

/** A rule in words that puts something else in the place of a deletion, or of setting the flag. */
export const insteadError = ({ table, name, event }: Hook): string =>
  `${table}: rule ${name} does something else INSTEAD of each ${event}, so nothing would be ${event === 'DELETE' ? 'deleted' : 'flagged'}: drop the rule`;

/** What the application has the server do on a deletion is a warning, unless it takes the place of the deletion. `flagged`: the account table, where it has a flag. */
export function checkHooks(hooks: readonly Hook[], flagged: string | undefined, { errors, warnings }: Problems): void {
  const onDelete = hooks.filter((hook) => hook.event === 'DELETE');
  const ours = hooks.filter((hook) => hook.event === 'DELETE' || hook.table === flagged);
  errors.push(...ours.filter((hook) => hook.kind === 'rule' && hook.vetoes).map(insteadError));
  for (const table of new Set(onDelete.map((hook) => hook.table))) {
    const named = (kind: Hook['kind']) =>
      onDelete
        .filter((h) => h.table === table && h.kind === kind && (kind === 'trigger' || !h.vetoes))
        .map((h) => h.name);
    const [triggers, rules] = [named('trigger'), named('rule')];
    if (triggers.length > 0) warnings.push(`${table}: delete triggers will run for every row: ${triggers.join(', ')}`);
    if (rules.length > 0) warnings.push(`${table}: delete rules rewrite the statements: ${rules.join(', ')}`);
  }
}
