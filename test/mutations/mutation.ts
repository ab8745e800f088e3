/** One text of the source that is replaced. `find` must occur exactly once in the file. */
export type Edit = { file: string; find: string; replace: string };

/** A mistake that somebody could make in the source, and where the tests are that must notice it. */
export type Mutation = {
  /** `kebab-case`: what is done to the source. */
  name: string;
  /** The guarantee that users lose by it. */
  breaks: string;
  /** More than one where the source is guarded twice: each guard alone may be missing without harm. */
  edits: readonly Edit[];
  /** Run one after the other until one fails: the cheapest and likeliest first. */
  tests: readonly string[];
};

/** The source is not what the mutation was made for: it would test nothing, or something else. */
export class StaleMutation extends Error {}

/** The text with the edit made. Throws a StaleMutation unless the text to find occurs exactly once. */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    const [line = ''] = find.trim().split('\n');
    throw new StaleMutation(`${file} holds this ${parts.length - 1} times instead of once: ${line}`);
  }
  return parts.join(replace);
}
