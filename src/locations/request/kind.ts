import { type Connections, openConnections } from '../../partners/request.ts';
import type { AskedLocation, Sender, SenderTools } from '../asked.ts';
import { partnerKind } from '../outside/kind.ts';
import { byKeyAlone, check, variablesOf } from './check.ts';
import { compile } from './compile.ts';
import { type Asks, asks } from './declare.ts';
import { problemsOf } from './problems.ts';
import { sendCall } from './send.ts';

/** A service with an interface of its own, called by a template. */
export const request = partnerKind<Asks>({
  name: 'request',
  entry: 'request',
  asks,
  refused: 'a request of the catalog deletes: what else it does is not known here',
  byKeyAlone,
  check,
  outside: { open, variablesOf: (location) => variablesOf(location.asks), problemsOf },
});

/** Makes the calls of this kind. It keeps connections with each partner by itself, so that none waits for another. */
function open(tools: SenderTools): Sender<AskedLocation<Asks>> {
  const opened = new Map<string, Connections>();
  const connectionsOf = ({ name, pacing }: AskedLocation): Connections => {
    const id = `${pacing.concurrency} ${name}`;
    const connections =
      opened.get(id) ?? openConnections({ privateHosts: tools.privateHosts, most: pacing.concurrency });
    opened.set(id, connections);
    return connections;
  };
  return {
    batch: 1,
    send: async (location, calls, signal) => {
      const [problem] = problemsOf(location, tools);
      if (problem) return calls.map(() => ({ kind: 'later', words: `cannot be asked: ${problem}`, down: true }));
      const sending = { connections: connectionsOf(location), variable: tools.variable, signal };
      return Promise.all(calls.map((call) => sendCall(sending, location, compile(location.asks), call)));
    },
    close: async () => {
      await Promise.all([...opened.values()].map((connections) => connections.close()));
      opened.clear();
    },
  };
}
