import type { Answer, AskedLocation, Call, Sender } from '../../src/locations/asked.ts';
import type { Carrier, Kind } from '../../src/locations/kind.ts';
import { KINDS } from '../../src/locations/kinds/registry.ts';

/** Tells the service of one call, in the fewest words that it understands. */
async function ask({ url }: { url: string }, { id, account }: Call): Promise<Answer> {
  try {
    const body = JSON.stringify({ id, data: { account } });
    const response = await fetch(url, { method: 'POST', body });
    await response.arrayBuffer();
    if (response.status === 200) return { kind: 'done', words: 'it says that it is done' };
    if (response.status === 202) return { kind: 'accepted', words: 'it will acknowledge' };
    return { kind: 'later', words: `it answered ${response.status}`, down: response.status === 503 };
  } catch {
    return { kind: 'later', words: 'it does not answer', down: true };
  }
}

/** Makes the calls of the plain kind. */
export const plainSender: Sender = {
  batch: 1,
  send: (location, calls) =>
    Promise.all(calls.map((call) => ask((location as AskedLocation<{ url: string }>).asks, call))),
  close: async () => {},
};

const http = KINDS.http as unknown as Kind;
export const plainDelete = http.outcomes.delete as Carrier;

/** The kind http with the least that a sender can do. It exists in the tests only. */
export const plainKind = (
  part: { sender?: Partial<Sender>; carrier?: Partial<Carrier>; kind?: Partial<Kind> } = {},
): Kind => ({
  ...http,
  outcomes: { ...http.outcomes, delete: { ...plainDelete, ...part.carrier } },
  outside: { open: () => ({ ...plainSender, ...part.sender }), variablesOf: () => [] },
  ...part.kind,
});
