import { type NamedStatement, readNamed } from './named-parameters.ts';

/** What stands for a value in a statement that plants test data. */
export const ACCOUNT = 'account';
export const MARKER = 'marker';

const BEGINS = ['INSERT', 'WITH', 'SELECT', 'VALUES'];
/** Test data is added. What changes or deletes rows could be about those of people. */
const REFUSED = ['DELETE', 'MERGE', 'TRUNCATE', 'DROP', 'ALTER', 'COPY'];

/** Takes a statement of `canary.plant` apart, and says what keeps it from being one. `n`: its number, from 0. */
export function readPlant(text: string, n: number): NamedStatement {
  const read = readNamed(text, [ACCOUNT, MARKER]);
  const problems = [...read.problems];
  const first = read.words.find((word) => word !== '(') ?? 'nothing';
  if (!BEGINS.includes(first)) problems.push(`expected a statement that begins with ${BEGINS.join(', ')}`);
  const refused = read.words.find((word, i) => REFUSED.includes(word) || isChange(word, read.words[i - 1]));
  if (refused && problems.length === 0)
    problems.push(`test data is only added, and ${refused} is not: quote it where it is a name`);
  if (n === 0 && read.pieces.some((piece) => 'parameter' in piece && piece.parameter === ACCOUNT))
    problems.push(`the first statement makes the account: $${ACCOUNT} is known after it`);
  return { ...read, problems };
}

/** `FOR UPDATE` and `FOR NO KEY UPDATE` only lock rows. An INTO that no INSERT has makes a table. */
const isChange = (word: string, before = ''): boolean =>
  (word === 'UPDATE' && before !== 'FOR' && before !== 'KEY') || (word === 'INTO' && before !== 'INSERT');

/** Problems of each statement, by its number from 0. */
export function plantProblems(plant: readonly string[]): { n: number; words: string }[] {
  return plant.flatMap((text, n) => readPlant(text, n).problems.map((words) => ({ n, words })));
}
