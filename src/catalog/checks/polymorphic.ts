import { word } from './words.ts';

const SAYS_WHAT = ['type', 'kind', 'class', 'model', 'table', 'tablename', 'entity', 'entitytype'];

/**
 * The column that says which table the values of `column` belong to: `record_type` beside `record_id`, and
 * `content_type_id` beside `object_id`. Alone such a value is the key of anything.
 */
export function kindColumnOf(column: string, columns: readonly string[]): string | undefined {
  const base = word(column).replace(/(id|key|uuid)$/, '');
  if (base === '') return undefined;
  const names = new Set(SAYS_WHAT.map((what) => base + what));
  if (base === 'object') for (const name of ['contenttype', 'contenttypeid']) names.add(name);
  return columns.find((other) => other !== column && names.has(word(other)));
}
