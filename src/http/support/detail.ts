import { html } from 'hono/html';
import { type Erasure, isDeletingSessions, isFinal } from '../../erasure/model/states.ts';
import { askedState, askedWords } from '../../erasure/progress/asked-words.ts';
import { isInside } from '../../erasure/progress/for-user.ts';
import type { HistoryEntry } from '../../erasure/progress/history.ts';
import type { Interrupted } from '../../erasure/progress/interruptions.ts';
import type { Mail, TaskFacts } from '../../erasure/progress/overview.ts';
import type { LocationProgress, Progress } from '../../erasure/progress/status.ts';
import type { Href } from '../assets/assets.ts';
import { ERASURES, type Html, layout, type Viewer } from '../sign-in/frame.ts';
import { actionsOf, NOTICES, type Notice } from './actions.ts';
import { errorWords, outcomeWords } from './error-words.ts';
import { eventWords } from './history-words.ts';
import { accountOf } from './list.ts';
import { clock, count, moment, shortId, stateMarks } from './marks.ts';
import { clockWords, momentWords, secondWords, spanWords, whoWords } from './moments.ts';
import { isHeld, isOverdue, nextStep } from './next-step.ts';

export type DetailView = {
  erasure: Erasure;
  progress: Progress;
  tasks: readonly TaskFacts[];
  mails: readonly Mail[];
  history: readonly HistoryEntry[];
  /** How hard the cluster works, and what slows it; a sentence. Null where this erasure does not run. */
  pace: string | null;
  notice: Notice | undefined;
  /** Workers that ended without an answer, by location; of steps by the empty name. */
  interrupted?: ReadonlyMap<string, Interrupted>;
};

/** Everything about one erasure. Parts marked `data-live` are kept true by the script. */
export function detailPage(href: Href, { user }: Viewer, view: DetailView, now: Date): Html {
  const { erasure: e, notice } = view;
  const mayAct = user.role === 'ops';
  return layout(
    href,
    { title: `Erasure ${shortId(e.id)}`, user, live: !isSettled(view) },
    html`<p class="trail"><a href="${href(ERASURES)}">Erasures</a> / <span class="id">${shortId(e.id)}</span></p>
${notice ? html`<p class="notice ${NOTICES[notice].bad ? 'bad' : 'good'}" role="${NOTICES[notice].bad ? 'alert' : 'status'}">${NOTICES[notice].words}</p>` : ''}
<div class="top">
<div data-live="state" data-say="${e.state}${isHeld(e) ? ' on hold' : ''}"><h1><span class="unseen">Erasure: </span>${stateMarks(e.state, isHeld(e))}${isOverdue(e, now) ? html` <span class="state overdue">Overdue</span>` : ''}</h1>
<p class="next"><bdi>${sentence(nextStep(e, { mails: view.mails, etaSeconds: view.progress.etaSeconds }, now))}</bdi></p>
${view.pace === null ? '' : html`<p>${view.pace}</p>`}
${isHeld(e) && e.holdReason ? html`<p class="reason">Reason: <bdi>${e.holdReason}</bdi></p>` : ''}
${e.state === 'stalled' ? view.progress.locations.map(whyStalled) : ''}
${e.state === 'awaiting' ? view.progress.locations.map(whoConfirms) : ''}</div>
<div class="actions" data-live="actions">${mayAct ? actionsOf(href, e, !view.progress.locations.every(isInside)) : ''}</div>
</div>
<div class="columns">
<section data-live="facts"><h2>Erasure</h2>${facts(href, view, now)}</section>
<section data-live="history"><h2>What happened</h2>${timeline(view, now)}</section>
</div>
<section data-live="locations"><h2>Locations</h2>${locations(view, now)}</section>
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

const TASK_STATES: Record<string, string> = {
  pending: 'Waiting',
  running: 'Deleting',
  awaiting: 'Waits for its owner’s confirmation',
  done: 'Done',
  failed: 'Failed',
  retained: 'Kept',
};
const COLUMNS = ['Location', 'Owner', 'State', 'Rows', 'Attempts failed', 'Due'];

const locations = (view: DetailView, now: Date): Html => html`<table class="list locations" role="table">
<caption class="unseen">Locations of this erasure, in the order of their stages</caption>
<thead role="rowgroup"><tr role="row">${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
<tbody role="rowgroup">${view.progress.locations.map((location) => locationRow(view, location, now))}</tbody>
</table>`;

function locationRow({ erasure: e, tasks, interrupted }: DetailView, location: LocationProgress, now: Date): Html {
  const task = tasks.find((t) => t.location === location.name);
  const late = task && !['done', 'retained'].includes(location.state) && !isFinal(e.state) && task.dueAt < now;
  const cell = (column: number, content: unknown, kind = '') =>
    html`<td role="cell" class="${kind}" data-label="${COLUMNS[column]}"><div>${content}</div></td>`;
  return html`<tr role="row">
${cell(0, html`<bdi>${location.name}</bdi>${location.kind === 'account' ? html` <span class="soft">the account’s own row, last</span>` : ''}`)}
${cell(1, html`<bdi>${location.owner}</bdi>`)}
${cell(2, html`<span class="task ${location.state}">${location.asked ? askedState(location.asked, now) : (TASK_STATES[location.state] ?? location.state)}</span>${task && task.pass > 1 ? html` <span class="soft">pass ${task.pass}</span>` : ''}`)}
${cell(3, rowsOf(location), 'number')}
${cell(4, task ? count(task.attempts) : '–', 'number')}
${cell(5, task ? html`${clockWords(task.dueAt, now)}${late ? html` <span class="state overdue">Overdue</span>` : ''}` : '–', late ? 'overdue' : '')}
</tr>
${location.asked ? more(askedWords(location.asked, now, (at) => momentWords(at, now))) : ''}${interruptionOf(interrupted?.get(location.kind === 'account' ? '' : location.name), now)}${location.lastError === null ? '' : html`<tr role="row" class="error"><td role="cell" colspan="${COLUMNS.length}">${errorOf(location.lastError)}</td></tr>`}`;
}

/** A row below a location's own: sentences about it. What a partner has answered is hostile, and is escaped. */
const more = (words: readonly string[]): Html =>
  html`<tr role="row" class="about"><td role="cell" colspan="${COLUMNS.length}"><p>${words.map((line) => html`<bdi>${line}.</bdi> `)}</p></td></tr>`;

function interruptionOf(interrupted: Interrupted | undefined, now: Date): Html | '' {
  if (!interrupted) return '';
  const { times, lastAt } = interrupted;
  return more([
    `A worker that had it ended without an answer: killed, for example out of memory. Noticed ${times === 1 ? 'once' : `${times} times`}, last at ${momentWords(lastAt, now)}`,
  ]);
}

function rowsOf({ name, state, rowsDeleted, rowsPlanned }: LocationProgress): Html {
  const nothing = html`<span class="soft">none</span>`;
  if (state === 'retained') return rowsDeleted === 0 ? nothing : html`${count(rowsDeleted)}`;
  // Lethe cannot count what others have before they confirm it.
  if (rowsPlanned === null && state === 'awaiting') return html`<span class="soft">not counted</span>`;
  if (rowsPlanned === null) return html`${count(rowsDeleted)} <span class="soft">not planned yet</span>`;
  if (rowsPlanned === 0 && rowsDeleted === 0) return nothing;
  const max = Math.max(1, rowsPlanned);
  const value = state === 'done' ? max : Math.min(max, rowsDeleted);
  const words = state === 'done' ? count(rowsDeleted) : `${count(rowsDeleted)} of ${count(rowsPlanned)}`;
  return html`<progress aria-label="${name}" value="${value}" max="${max}"></progress> ${words}`;
}

const whyStalled = ({ name, lastError }: LocationProgress): Html | '' =>
  lastError === null ? '' : html`<p class="why">Stalled in <bdi>${name}</bdi>: ${errorWords(lastError).words}</p>`;

const whoConfirms = ({ name, owner, state }: LocationProgress): Html | '' =>
  state === 'awaiting' ? html`<p><bdi>${owner}</bdi> has not confirmed <bdi>${name}</bdi> yet</p>` : '';

function errorOf(message: string): Html {
  const { words, help, detail } = errorWords(message);
  return html`<p><b>${words}</b> ${help}</p>${detail ? html`<p><code><bdi>${detail}</bdi></code></p>` : ''}`;
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
