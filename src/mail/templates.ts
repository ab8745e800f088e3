import type { Message } from './provider.ts';

export type MailFacts = {
  to: string;
  erasureId: string;
  requestedAt: Date;
  startsAt: Date;
  completedAt: Date | null;
  statusUrl: string;
};

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const CLOCK = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
/** `22 November 2026, 14:00 UTC`: fixed locale and zone, so that a second attempt has the same bytes. */
const when = (date: Date) => `${CLOCK.format(date).replace(' at ', ', ')} UTC`;

type Part = { text: string } | { link: string; label: string };

function compose(to: string, subject: string, parts: Part[]): Message {
  const paragraphs = parts.map((part) =>
    'text' in part
      ? `<p style="margin:0 0 16px">${escapeHtml(part.text)}</p>`
      : `<p style="margin:0 0 16px"><a href="${escapeHtml(part.link)}">${escapeHtml(part.label)}</a></p>`,
  );
  const html = [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>${escapeHtml(subject)}</title></head>`,
    '<body style="font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:2em auto;padding:0 1em">',
    `<h1 style="font-size:1.25em">${escapeHtml(subject)}</h1>`,
    ...paragraphs,
    '</body></html>',
    '',
  ].join('\n');
  const text = [
    subject,
    '',
    ...parts.flatMap((part) => ['text' in part ? part.text : `${part.label}: ${part.link}`, '']),
  ].join('\n');
  return { to, subject, html, text };
}

/** "We have received it, undo until …". */
export function receivedMail(facts: MailFacts): Message {
  return compose(facts.to, 'We have received your request to delete your account', [
    {
      text: `You asked on ${when(facts.requestedAt)} to delete your account and everything in it. You have been signed out.`,
    },
    {
      text: `The deletion starts by ${when(facts.startsAt)}. Until it has started you can undo it; afterwards it cannot be stopped.`,
    },
    { link: facts.statusUrl, label: 'See the state of your request' },
    { text: 'If you did not ask for this, undo it now and change your password.' },
    { text: `Reference: ${facts.erasureId}` },
  ]);
}

/** What a team is told of its tasks. Names come from the catalog; times in ISO 8601. `id`: of the message. */
export type OwnerFacts = {
  to: string;
  id: string;
  owner: string;
  state: 'well' | 'failing' | 'late';
  since: string;
  open: number;
  late: number;
  failing: number;
  locations: readonly string[];
  oldestDeadline: string | null;
  words: readonly string[];
  url: string;
};

const OWNER_SUBJECTS = { well: 'is well again', failing: 'is failing', late: 'is late' };

/** "What your team answers for is late", or fails, or is well again. */
export function ownerMail(facts: OwnerFacts): Message {
  const { owner, state, open, late, failing, locations, oldestDeadline, words } = facts;
  // A name may hold what would begin another header.
  const name = owner.replace(/\p{Cc}+/gu, ' ');
  const since = when(new Date(facts.since));
  return compose(facts.to, `Erasures: ${name} ${OWNER_SUBJECTS[state]}`, [
    {
      text:
        state === 'well'
          ? `Since ${since} none of the tasks of ${name} is late or fails. Open tasks: ${open}.`
          : `Since ${since} tasks of ${name} are late or fail. Open tasks: ${open}; past their deadline: ${late}; failing: ${failing}.`,
    },
    ...words.map((text) => ({ text: `Also: ${text}.` })),
    ...(locations.length > 0 ? [{ text: `Where: ${locations.join(', ')}.` }] : []),
    ...(oldestDeadline && state !== 'well'
      ? [{ text: `The oldest deadline: ${when(new Date(oldestDeadline))}.` }]
      : []),
    { link: facts.url, label: 'See how it stands' },
    { text: `Reference: ${facts.id}` },
  ]);
}

/** "It is done". */
export function completedMail(facts: MailFacts): Message {
  return compose(facts.to, 'Your account has been deleted', [
    {
      text: `Your account and everything in it were deleted on ${when(facts.completedAt ?? facts.requestedAt)}, as you asked on ${when(facts.requestedAt)}.`,
    },
    { text: 'This is the last mail about it: your address has been removed too.' },
    { text: `Reference: ${facts.erasureId}` },
  ]);
}
