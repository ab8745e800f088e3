import { partnerKind } from '../outside/kind.ts';
import { asks, type HttpAsks, secretOf } from './declare.ts';
import { problemsOf } from './problems.ts';
import { HttpSender } from './send.ts';

/** A service that speaks the contract of partners: docs/partners.md. */
export const http = partnerKind<HttpAsks>({
  name: 'http',
  entry: 'http',
  asks,
  refused: 'a partner is told to delete: what else becomes of its data is its own affair',
  // The message says since when: the partner itself leaves what is newer.
  byKeyAlone: () => false,
  outside: {
    open: (tools) => new HttpSender(tools),
    variablesOf: (location) => [secretOf(location)],
    problemsOf,
    unplanted: ({ asks: { canary } }) =>
      canary === undefined ? 'no test data is planted there: http.canary says where, if it takes some' : undefined,
  },
});
