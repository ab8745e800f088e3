import { partnerKind } from '../outside/kind.ts';
import { asks, entryProblems, type S3, variablesOf } from './declare.ts';
import { problemsOf } from './problems.ts';
import { openSender } from './sender.ts';

/** Files in an S3 bucket. */
export const objectStore = partnerKind<S3>({
  name: 'object-store',
  entry: 's3',
  asks,
  refused: 'files can only be deleted: move them elsewhere before, if they must stay',
  // Whoever has the key now has files below the same prefix. Those that rows have named are the account's.
  byKeyAlone: (_asks, entry) => entry.each === undefined,
  check: entryProblems,
  outside: {
    open: openSender,
    variablesOf: ({ asks: s3 }) => variablesOf(s3),
    problemsOf: ({ asks: s3 }, tools) => problemsOf(s3, tools),
  },
});
