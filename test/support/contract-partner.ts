import { problemOfSignature } from '../../src/partners/sign.ts';
import { BEHAVIOURS, type Behaviour, type BehaviourName, json, type Received } from './partner-behaviours.ts';
import { startPartner } from './partner-server.ts';

/** What a partner can do wrong; each alone breaks one promise of the contract. */
export const WRONGS = [
  'takes unsigned messages',
  'takes any signature',
  'takes old messages',
  'takes messages from ahead',
  'looks without a signature',
  'fails the second time',
  'answers anew',
  'erases for any type',
  'plants nothing',
  'erases what is newer',
  'keeps the data',
  'lies when asked',
] as const;
export type Wrong = (typeof WRONGS)[number];

type Options = {
  secret: string;
  wrong?: Wrong | undefined;
  /** How it answers an erasure, in the place of doing it well. */
  answers?: BehaviourName | Behaviour | undefined;
  /** It takes an erasure with 202, erases later, and acknowledges. */
  later?: boolean;
};

type Thing = { readonly at: number; readonly plant: string };

/**
 * A partner that keeps the whole contract, but for what it is told to do wrong. It plants, looks, and erases what is older
 * than the request; it answers each id once. Its data is a number of things by account.
 */
export async function startContractPartner(options: Options) {
  const partner = await startPartner();
  const held = new Map<string, Thing[]>();
  const said = new Map<string, unknown>();
  const state = { ...options };
  const is = (wrong: Wrong) => state.wrong === wrong;

  const refuses = ({ headers, body }: Received): boolean => {
    const { 'webhook-timestamp': stamp, 'webhook-signature': signature } = headers;
    if (!signature || !stamp) return !is('takes unsigned messages');
    const apart = Number(stamp) * 1000 - Date.now();
    const isLate = apart < -300_000 && !is('takes old messages');
    const isAhead = apart > 300_000 && !is('takes messages from ahead');
    if (isLate || isAhead) return true;
    if (is('takes any signature')) return false;
    // By the time of the message: how old it is was looked at above.
    return problemOfSignature(state.secret, headers, body, new Date(Number(stamp) * 1000)) !== undefined;
  };

  const erase = (account: string, before: number): 'erased' | 'not_found' => {
    const things = held.get(account) ?? [];
    const kept = things.filter(({ at }) => at > before && !is('erases what is newer'));
    if (is('keeps the data') || is('lies when asked')) return things.length > 0 ? 'erased' : 'not_found';
    held.set(account, kept);
    return kept.length < things.length ? 'erased' : 'not_found';
  };

  const behave: Behaviour = async (hands) => {
    const { received, response, acknowledge } = hands;
    const isLook = (received.message as { type?: string } | undefined)?.type === 'lethe.canary.look';
    if (refuses(received) && !(is('looks without a signature') && isLook))
      return json(response, 401, { error: 'signature' });
    const message = received.message as unknown as {
      id: string;
      type: string;
      data: { account: Record<string, string>; requestedAt?: string };
    };
    const [account] = Object.values(message.data.account) as [string];
    const { id, type } = message;
    if (isLook) {
      const isThere = (held.get(account) ?? []).length > 0;
      const status = isThere && !is('lies when asked') ? 'present' : 'absent';
      return json(response, 200, { task: id, status });
    }
    if (type === 'lethe.canary.plant') {
      const things = held.get(account) ?? [];
      const isNew = things.every(({ plant }) => plant !== id);
      if (isNew && !is('plants nothing')) held.set(account, [...things, { at: Date.now(), plant: id }]);
      return json(response, 200, { task: id, status: 'planted', items: 1 });
    }
    if (type !== 'lethe.erasure.requested' && !is('erases for any type'))
      return json(response, 400, { error: 'unknown type' });
    if (typeof state.answers === 'function') return state.answers(hands);
    if (state.answers) return BEHAVIOURS[state.answers](hands);
    if (is('fails the second time') && said.has(id)) return BEHAVIOURS.error(hands);
    const before = Date.parse(message.data.requestedAt ?? '');
    if (state.later) {
      json(response, 202, {});
      await new Promise((sent) => response.once('close', sent));
      const status = (said.get(id) as 'erased' | undefined) ?? erase(account, before);
      said.set(id, status);
      await acknowledge(status);
      return;
    }
    const status = is('answers anew') ? erase(account, before) : (said.get(id) ?? erase(account, before));
    said.set(id, status);
    return json(response, 200, { task: id, status });
  };
  partner.behave(behave);

  return {
    ...partner,
    /** Where test data is planted and looked for. */
    canary: partner.url.replace('/erasures', '/canary'),
    /** Things that an account has there. */
    count: (account: string) => (held.get(account) ?? []).length,
    /** What it does wrong from now on. */
    become: (more: Partial<Options>) => Object.assign(state, more),
  };
}

export type ContractPartner = Awaited<ReturnType<typeof startContractPartner>>;
