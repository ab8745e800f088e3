import { html } from 'hono/html';
import { type Erasure, isDeletingSessions, isFinal } from '../../erasure/model/states.ts';
import { isInside } from '../../erasure/progress/for-user.ts';
import type { Mail } from '../../erasure/progress/overview.ts';
import type { LocationProgress, Progress } from '../../erasure/progress/status.ts';
import type { Href } from '../assets/assets.ts';
import { ERASURES, type Html, layout, TEST_DATA, type Viewer } from '../sign-in/frame.ts';
import { actionsOf, NOTICES, type Notice } from './actions.ts';
import { type LineFacts, lineOf } from './line/line-of.ts';
import { showLine, showStages } from './line/show-line.ts';
import { accountOf } from './list.ts';
import { errorWords, outcomeWords } from './words/error-words.ts';
import { eventWords } from './words/history-words.ts';
import { clock, count, moment, shortId, stateMarks, testMark } from './words/marks.ts';
import { momentWords, secondWords, spanWords, whoWords } from './words/moments.ts';
import { isHeld, isOverdue, nextStep } from './words/next-step.ts';

export type DetailView = Omit<LineFacts, 'locations'> & {
  progress: Progress;
  mails: readonly Mail[];
  /** How hard the cluster works, and what slows it; a sentence. Null where this erasure does not run. */
  pace: string | null;
  notice: Notice | undefined;
};

/** Everything about one erasure. Parts marked `data-live` are kept true by the script. */
export function detailPage(href: Href, { user }: Viewer, view: DetailView, now: Date): Html {
  const { erasure: e, notice } = view;
  const mayAct = user.role === 'ops';
  const line = lineOf({ ...view, locations: view.progress.locations }, now);
  return layout(
    href,
    { title: `Erasure ${shortId(e.id)}`, user, live: !isSettled(view) },
    html`<p class="trail"><a href="${href(ERASURES)}">Erasures</a> / <span class="id">${shortId(e.id)}</span></p>
${notice ? html`<p class="notice ${NOTICES[notice].bad ? 'bad' : 'good'}" role="${NOTICES[notice].bad ? 'alert' : 'status'}">${NOTICES[notice].words}</p>` : ''}
<div class="top">
<div data-live="state" data-say="${e.state}${isHeld(e) ? ' on hold' : ''}"><h1><span class="unseen">Erasure: </span>${stateMarks(e.state, isHeld(e))}${isOverdue(e, now) ? html` <span class="state overdue">Overdue</span>` : ''}${testMark(e)}</h1>
<p class="next"><bdi>${sentence(nextStep(e, { mails: view.mails, etaSeconds: view.progress.etaSeconds }, now))}</bdi></p>
${view.pace === null ? '' : html`<p>${view.pace}</p>`}
${isHeld(e) && e.holdReason ? html`<p class="reason">Reason: <bdi>${e.holdReason}</bdi></p>` : ''}
${e.state === 'stalled' ? view.progress.locations.map(whyStalled) : ''}
${e.state === 'awaiting' ? whoConfirms(view.progress.locations) : ''}</div>
<div class="actions" data-live="actions">${mayAct ? actionsOf(href, e, !view.progress.locations.every(isInside)) : ''}</div>
</div>
<section data-live="line" aria-label="How far each stage is">${showStages(line)}</section>
<div class="columns">
<section data-live="facts"><h2>Erasure</h2>${facts(href, view, now)}</section>
<section data-live="history"><h2>What happened</h2>${timeline(view, now)}</section>
</div>
<section data-live="locations"><h2>Tasks</h2>${showLine(line, now)}</section>
<section data-live="mails"><h2>Mails</h2>${mailList(view.mails, now)}</section>`,
  );
}

/** True when nothing will change by itself any more. */
const isSettled = ({ erasure, mails }: DetailView) =>
  isFinal(erasure.state) && mails.every((mail) => mail.state !== 'pending');

const sentence = (words: string) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

function facts(href: Href, { erasure: e, progress }: DetailView, now: Date): Html {
  const entries: [string, Html | string | null][] = [
    ['Id', html`<span class="id">${e.id}</span>`],
    ['Account', accountOf(e)],
    [
      'Test data',
      e.canary ? html`Lethe has planted this account: <a href="${href(TEST_DATA)}">all test data</a>` : null,
    ],
    [
      'Requested',
      html`${moment(e.requestedAt, now)}${e.requestedBy ? html`, by <bdi>${whoWords(e.requestedBy)}</bdi>` : ''}`,
    ],
    ['Mode', e.mode === 'immediate' ? 'immediate: small enough for the request itself' : 'scheduled'],
    ['Starts', e.state === 'scheduled' ? moment(e.startsAt, now) : null],
    ['Started', e.startedAt && moment(e.startedAt, now)],
    ['Due', isFinal(e.state) ? clock(e.dueAt, now) : moment(e.dueAt, now)],
    [
      'Completed',
      e.completedAt &&
        html`${moment(e.completedAt, now)}${e.startedAt ? html` <span class="soft">(took ${spanWords(e.completedAt.getTime() - e.startedAt.getTime())})</span>` : ''}`,
    ],
    [e.newerAccountAt ? 'Closed' : 'Undone', e.cancelledAt && moment(e.cancelledAt, now)],
    ['Key', e.newerAccountAt && 'another account has it now, which this erasure is not about'],
    ['Progress', progressOf(e, progress)],
    ['Pass', e.pass > 1 ? `${e.pass}; rows had appeared after the one before` : null],
    ['Sign-out', e.signOutAt && 'waits for the application to revoke the account’s tokens'],
    ['Rows at request', isDeletingSessions(e) ? 'are still being deleted by the workers' : null],
    ['Address for mails', e.email === null ? 'none, or forgotten' : 'kept until the last mail is sent'],
    ['Job', jobOf(href, e)],
    ['Catalog', html`<span class="id">${e.catalogDigest.slice(0, 12)}</span>`],
    ['Scrubbed', e.scrubbedAt && moment(e.scrubbedAt, now)],
  ];
  return html`<dl>${entries.map(([name, value]) => (value === null ? '' : html`<div><dt>${name}</dt><dd>${value}</dd></div>`))}</dl>`;
}

function progressOf(e: Erasure, { percent, rowsDeleted, rowsPlanned }: Progress): Html | null {
  if (e.startedAt === null) return null;
  const rows = `${count(rowsDeleted)}${rowsPlanned === null ? '' : ` of ${count(Math.max(rowsPlanned, rowsDeleted))}`} rows deleted`;
  if (isFinal(e.state)) return html`${count(rowsDeleted)} rows deleted`;
  return percent === null
    ? html`${rows}`
    : html`<progress aria-label="Whole erasure" value="${percent}" max="100"></progress> ${percent}%, ${rows}`;
}

/** A link to the newest step in Bull Board. Jobs are kept there for an hour after they ended, so it may be gone. */
function jobOf(href: Href, e: Erasure): Html | null {
  if (e.jobId === null) return null;
  return html`<a href="${href(`/admin/queues/queue/erasures/${encodeURIComponent(e.jobId)}`)}">Step ${e.step} in the queues</a>${isFinal(e.state) ? html` <span class="soft">(kept for about an hour)</span>` : ''}`;
}

const timeline = ({ history, erasure: e }: DetailView, now: Date): Html =>
  html`<div class="timeline" role="region" tabindex="0" aria-label="What happened, oldest first"><ol>${history.map(
    (entry) =>
      html`<li><time datetime="${entry.at.toISOString()}">${secondWords(entry.at, now)}</time> <bdi>${eventWords(entry, e.requestedBy === null ? '' : whoWords(e.requestedBy))}</bdi></li>`,
  )}</ol></div>`;

const whyStalled = ({ name, lastError }: LocationProgress): Html | '' =>
  lastError === null ? '' : html`<p class="why">Stalled in <bdi>${name}</bdi>: ${errorWords(lastError).words}</p>`;

/** The others are in the line of tasks. */
const MOST_CONFIRMING = 5;

function whoConfirms(locations: readonly LocationProgress[]): Html {
  const open = locations.filter(({ state }) => state === 'awaiting');
  const more = open.length - MOST_CONFIRMING;
  return html`${open
    .slice(0, MOST_CONFIRMING)
    .map(
      ({ name, owner }) => html`<p><bdi>${owner}</bdi> has not confirmed <bdi>${name}</bdi> yet</p>`,
    )}${more > 0 ? html`<p>${more} more have not been confirmed</p>` : ''}`;
}

const MAIL_KINDS: Record<string, string> = { received: '“We have your request”', completed: 'Confirmation' };
const MAIL_STATES: Record<string, string> = {
  pending: 'pending',
  sent: 'sent',
  skipped: 'skipped',
  failed: 'failed',
  uncertain: 'nobody knows whether it arrived',
};

function mailList(mails: readonly Mail[], now: Date): Html {
  if (mails.length === 0) return html`<p class="soft">None.</p>`;
  const next = (mail: Mail) =>
    mail.state === 'pending'
      ? mail.nextAt > now
        ? `, next try at ${momentWords(mail.nextAt, now)}`
        : ', any moment now'
      : '';
  return html`<ul class="mails">${mails.map(
    (
      mail,
    ) => html`<li><b>${MAIL_KINDS[mail.kind] ?? mail.kind}</b>: <span class="mail ${mail.state}">${MAIL_STATES[mail.state] ?? mail.state}</span>${next(mail)}${mail.finishedAt ? html` ${clock(mail.finishedAt, now)}` : ''}
<span class="soft">${mail.attempt === 1 ? '1 attempt' : `${mail.attempt} attempts`}</span>${mail.outcome ? html`<br><span class="soft">Last attempt: <bdi>${outcomeWords(mail.outcome)}</bdi></span>` : ''}</li>`,
  )}</ul>`;
}
