import { openBus } from '../../bus/open.ts';
import { partnerKind } from '../outside/kind.ts';
import { asks, type EventAsks, type EventLocation, secretOf } from './declare.ts';
import { EventSender } from './send.ts';

/** A partner that reads events from a bus and acknowledges them: docs/partners.md. */
export const event = partnerKind<EventAsks>({
  name: 'event',
  entry: 'event',
  asks,
  refused: 'a partner is told to delete: what else becomes of its data is its own affair',
  // The message says since when: the partner itself leaves what is newer.
  byKeyAlone: () => false,
  outside: {
    open: (tools) =>
      new EventSender(
        tools,
        openBus({ url: tools.eventsUrl ?? tools.redis.url, prefix: tools.redis.prefix }, tools.log),
      ),
    variablesOf: (location) => [secretOf(location as EventLocation) ?? []].flat(),
  },
});
