import { html } from 'hono/html';
import { BY_APPLICATION, type Erasure, isFinal } from '../../erasure/model/states.ts';
import type { ErrorCode } from '../../errors.ts';
import type { Href } from '../assets/assets.ts';
import { ERASURES, type Html, layout, type Viewer } from '../sign-in/frame.ts';
import { shortId } from './words/marks.ts';

export const ACTIONS = ['replay', 'start', 'hold', 'release'] as const;
export type Action = (typeof ACTIONS)[number];
export const isAction = (text: string): text is Action => (ACTIONS as readonly string[]).includes(text);

export const MOST_REASON = 500;

type Words = { label: string; question: string; means: string[]; button: string; fits: (e: Erasure) => boolean };

/** Whether it has partners, the replay says. */
const canAskAgain = (e: Erasure) => e.state === 'completed' && e.scrubbedAt === null && e.newerAccountAt === null;

/** What an operator may do, when it fits, and what it means. */
export const WORDS: Record<Action, Words> = {
  replay: {
    label: 'Replay',
    question: 'Replay this erasure?',
    means: [
      'If it has stalled, what is not finished runs again, with fresh counters; what is finished stays so. When its cause is still there it stalls again.',
      'If the catalog that it was accepted with does not fit the database any more, the current one is taken.',
      'If the account is gone, partners that have confirmed are asked anew, and what waits for its next try is due at once. The user gets no second mail.',
    ],
    button: 'Replay',
    fits: (e) => (e.state === 'stalled' || e.state === 'awaiting' || canAskAgain(e)) && !e.heldAt,
  },
  start: {
    label: 'Start now',
    question: 'Start this erasure now?',
    means: ['It does not wait for its time any more.', 'The user cannot undo it after that, and nobody else can.'],
    button: 'Start now',
    fits: (e) => e.state === 'scheduled' && !e.heldAt,
  },
  hold: {
    label: 'Hold',
    question: 'Put this erasure on hold?',
    means: [
      'Nothing more is deleted until somebody releases it. Work that is under way stops within a second or so.',
      'What has been deleted stays deleted. The deadline does not move.',
    ],
    button: 'Hold',
    // One that the application holds can be held here as well: then it stays held when the application lifts its own.
    fits: (e) => !isFinal(e.state) && (!e.heldAt || e.heldBy === BY_APPLICATION),
  },
  release: {
    label: 'Release',
    question: 'Release this erasure?',
    means: [
      'It goes on where it was; one whose time has come meanwhile starts within a minute.',
      'While the application’s own column (account.hold) says so, it stays on hold.',
    ],
    button: 'Release',
    fits: (e) => !isFinal(e.state) && e.heldAt !== null,
  },
};

/** The outcomes of an action. They travel in the page's address, so the list is closed. */
export const NOTICES = {
  replay: { bad: false, words: 'Replayed: it is running again.' },
  asked: { bad: false, words: 'Partners are asked again. See below how it stands with each.' },
  newer: { bad: true, words: 'Nothing was done: another account has this key now, and partners may have data of it.' },
  nobody: {
    bad: true,
    words:
      'Nothing was done: nobody can be asked again. What partners were told of rows is destroyed when they confirm.',
  },
  start: { bad: false, words: 'Started.' },
  hold: { bad: false, words: 'On hold. Nothing more is deleted until somebody releases it.' },
  release: { bad: false, words: 'Released.' },
  unfit: { bad: true, words: 'Nothing was done: meanwhile it is in another state. See below how things stand now.' },
  on_hold: { bad: true, words: 'Still on hold: the application holds the account in its own column (account.hold).' },
  unclear: {
    bad: true,
    words: 'It is not certain whether this worked: the database did not answer. See below how things stand now.',
  },
} as const;
export type Notice = keyof typeof NOTICES;
export const isNotice = (text: string | undefined): text is Notice =>
  text !== undefined && Object.hasOwn(NOTICES, text);

const BY_CODE: Partial<Record<ErrorCode, Notice>> = {
  not_live: 'unfit',
  not_replayable: 'unfit',
  already_started: 'unfit',
  on_hold: 'on_hold',
  newer_account: 'newer',
  account_busy: 'unclear',
  contended: 'unclear',
  database_unavailable: 'unclear',
};

/** The notice for a refusal. Undefined for a refusal that says nothing about the erasure. */
export const noticeOf = (code: ErrorCode): Notice | undefined => BY_CODE[code];

/** Links to the questions of all actions that fit. What is completed is replayed only where it has partners. */
export function actionsOf(href: Href, e: Erasure, hasPartners: boolean): Html {
  const fitting = ACTIONS.filter(
    (action) => WORDS[action].fits(e) && (action !== 'replay' || e.state !== 'completed' || hasPartners),
  );
  return html`${fitting.map(
    (action, i) =>
      html`<a class="button ${i === 0 ? 'main' : ''}" href="${href(`${ERASURES}/${e.id}/${action}`)}">${WORDS[action].label}</a>`,
  )}`;
}

/** The question before an action. `wrong`: why the reason was refused, and what was typed. */
export function confirmPage(
  href: Href,
  { user, csrf }: Viewer,
  e: Erasure,
  action: Action,
  wrong?: { problem: string; reason: string },
): Html {
  const words = WORDS[action];
  return layout(
    href,
    { title: words.question, user },
    html`<div class="confirm"><h1>${words.question}</h1>
<p class="soft">Erasure <span class="id">${shortId(e.id)}</span>${e.accountKey === null ? '' : html` of account <bdi class="key">${e.accountKey}</bdi>`}</p>
<ul>${words.means.map((line) => html`<li>${line}</li>`)}</ul>
<form method="post" action="${href(`${ERASURES}/${e.id}/${action}`)}">
<input type="hidden" name="csrf" value="${csrf}">
${action === 'hold' ? reasonField(wrong) : ''}
<div class="actions"><button class="main">${words.button}</button><a class="button" href="${href(`${ERASURES}/${e.id}`)}">Back</a></div>
</form></div>`,
  );
}

const reasonField = (wrong?: { problem: string; reason: string }): Html => html`<label for="reason">Reason</label>
<p class="soft" id="reason-hint">1 to ${MOST_REASON} characters, shown to operators only, and forgotten together with the account.</p>
${wrong ? html`<p class="notice bad" role="alert" id="reason-problem">${wrong.problem}</p>` : ''}
<textarea id="reason" name="reason" rows="3" maxlength="${MOST_REASON}" required aria-describedby="reason-hint${wrong ? ' reason-problem' : ''}" ${wrong ? html`aria-invalid="true"` : ''}>
${wrong?.reason ?? ''}</textarea>`;
