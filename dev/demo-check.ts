import { countRows, type Rows, readLedger, readMails } from './evidence.ts';
import { THRESHOLD } from './newsletters.ts';
import type { Partners } from './partners.ts';
import type { Stack } from './stack.ts';

/** An account that the demo erases. `things`: what each partner has of it. */
export type Hero = { name: string; email: string; account: string; before: Rows; mails: number; things: number };

/** An account that is erased by its request gets one mail, another one two: received and completed. */
export async function waitForMails(stack: Stack, heroes: readonly Hero[]): Promise<void> {
  const end = Date.now() + 30_000;
  const missing = () => heroes.some((h) => readMails(stack.outbox).filter((m) => m.to === h.email).length < h.mails);
  while (missing() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** What went wrong or well with one account: whether it is as it should be, and in words. */
type Seen = { ok: boolean; text: string };

const listed = (of: Record<string, unknown>) =>
  Object.entries(of)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

/** What a partner said last of an erasure. */
async function readWords({ sql }: Stack, erasure: string, partner: string): Promise<string> {
  const calls = await sql<{ words: string }[]>`
    SELECT last_words AS words FROM lethe.call WHERE erasure_id = ${erasure} AND partner = ${partner}`;
  return calls.map(({ words }) => words).join(' | ') || 'never asked';
}

async function look(stack: Stack, partners: Partners, hero: Hero, erasure: string): Promise<Seen[]> {
  const left = { ...(await countRows(stack.sql, hero.account)), ...(await partners.left(hero.account)) };
  const before: Record<string, number> = { ...hero.before, ...partners.counted(hero.things) };
  const counted = await readLedger(stack.sql, erasure);
  const sent = readMails(stack.outbox).filter((m) => m.to === hero.email);
  const compared = Object.fromEntries(Object.entries(before).map(([name, n]) => [name, `${counted[name]}/${n}`]));
  const there = await partners.second.ledger(hero.account);
  const expected = { erasures: 1, subscriptions: hero.things, subscribers: 1 };
  const words = await readWords(stack, erasure, 'newsletters');
  return [
    { ok: Object.values(left).every((n) => n === 0), text: `nothing left (${listed(left)})` },
    {
      ok: Object.entries(before).every(([name, n]) => counted[name] === n),
      text: `the ledger counts what was there (${listed(compared)})`,
    },
    {
      ok:
        words === (hero.things >= THRESHOLD ? 'it acknowledged: erased' : 'erased (200)') &&
        Object.entries(expected).every(([name, n]) => there[name] === n),
      text: `newsletters, the second Lethe: ${words}; its own ledger counts what was there (${listed(there)})`,
    },
    {
      ok: sent.length === hero.mails && sent.some((m) => m.subject.includes('has been deleted')),
      text: `${sent.length} of ${hero.mails} mail(s)`,
    },
  ];
}

/** Compares databases, partners, ledger and mails. Says all of the first two accounts, and of the others what is wrong. */
export async function check(
  stack: Stack,
  partners: Partners,
  heroes: readonly Hero[],
  erasures: readonly string[],
  untouched: boolean,
  say: (text: string) => void,
): Promise<boolean> {
  let agree = true;
  const line = ({ ok, text }: Seen) => {
    agree &&= ok;
    say(`   ${ok ? 'ok  ' : 'FAIL'} ${text}`);
  };
  let well = 0;
  for (const [i, hero] of heroes.entries()) {
    const seen = await look(stack, partners, hero, erasures[i] as string);
    if (i >= 2 && seen.every(({ ok }) => ok)) well += 1;
    else for (const { ok, text } of seen) line({ ok, text: `${hero.name}: ${text}` });
  }
  const others = heroes.length - 2;
  line({ ok: well === others, text: `${well} of ${others} who left meanwhile: the same` });
  line({ ok: untouched, text: 'all other accounts are unchanged, at the partners, too (checksum)' });
  return agree;
}
