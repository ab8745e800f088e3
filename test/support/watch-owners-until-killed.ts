import { watchOwners } from './watch-owners.ts';

/** A process that watches owners until whoever has started it kills it. */
await watchOwners(process.env);
