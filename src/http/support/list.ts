import { html } from 'hono/html';
import { type Erasure, isFinal, LIVE, STATES } from '../../erasure/model/states.ts';
import type { Cycle } from '../../erasure/progress/canaries.ts';
import type { Mail, Overview } from '../../erasure/progress/overview.ts';
import type { PartnerState } from '../../erasure/progress/partners.ts';
import type { OwnerSeen } from '../../erasure/watch/read-owners.ts';
import type { Href } from '../assets/assets.ts';
import { ERASURES, type Html, layout, OWNERS, TEST_DATA, type Viewer } from '../sign-in/frame.ts';
import { ANY, addressOf, type Search } from './address.ts';
import { partnersOf } from './partners.ts';
import type { QueueHealth } from './queue-health.ts';
import { outcomeWords } from './words/error-words.ts';
import { clock, count, moment, shortId, stateMarks, stateWords, testMark } from './words/marks.ts';
import { momentWords, whoWords } from './words/moments.ts';
import { isHeld, isOverdue, nextStep } from './words/next-step.ts';

/** `percent` and `etaSeconds` are null when nobody can tell. */
export type Row = { erasure: Erasure; percent: number | null; etaSeconds: number | null; mails: readonly Mail[] };
export type ListView = {
  search: Search;
  rows: readonly Row[];
  nextCursor: string | null;
  overview: Overview;
  health: QueueHealth;
  partners: readonly PartnerState[];
  owners: readonly Pick<OwnerSeen, 'state'>[];
  /** The newest test data that is over; undefined: there is none. */
  lastCycle: Pick<Cycle, 'state'> | undefined;
  /** How hard the cluster works, and what slows it; a sentence. */
  pace: string;
  /** What the database and the catalog do not agree on. */
  drift: readonly string[];
  /** Why a search could not be made. */
  hint: string;
};

/** The list of erasures. */
export const listPage = (href: Href, { user }: Viewer, view: ListView, now: Date): Html =>
  layout(
    href,
    { title: 'Erasures', user },
    html`<h1>Erasures</h1>
${driftNotice(view.drift)}
${healthLine(href, view, now)}
${watchLines(href, view)}
${partnersOf(view.partners, now)}
${searchForm(href, view.search, view.overview)}
${view.hint ? html`<p class="notice" role="status">${view.hint}</p>` : view.rows.length === 0 ? html`<p class="empty">No erasure matches.</p>` : table(href, view.rows, now)}
<nav class="pages" aria-label="Pages">
${view.search.cursor ? html`<a class="button" href="${addressOf(href, { ...view.search, cursor: '' })}">Newest</a>` : ''}
${view.nextCursor ? html`<a class="button" rel="next" href="${addressOf(href, { ...view.search, cursor: view.nextCursor })}">Older</a>` : ''}
</nav>`,
  );

/** It stands first on the page: until the catalog is mended, erasures stall. */
const driftNotice = (problems: readonly string[]): Html | '' =>
  problems.length === 0
    ? ''
    : html`<div class="notice bad" role="alert"><p><b>The database has changed, and the catalog does not fit it any more.</b>
Requests are accepted. Erasures that this affects stall until the catalog is mended, the processes are restarted and the erasures replayed.</p>
<ul>${problems.map((problem) => html`<li><bdi>${problem}</bdi></li>`)}</ul></div>`;

function healthLine(href: Href, { overview, health, pace }: ListView, now: Date): Html {
  const link = (search: Partial<Search>, n: number, words: string) =>
    html`<li><a class="${n > 0 ? '' : 'none'}" href="${addressOf(href, { ...ANY, accounts: 'users', ...search })}"><b>${count(n)}</b> ${words}</a></li>`;
  return html`<section class="health" aria-label="How things stand">
<ul class="counts">
${LIVE.filter((state) => isShown(state, overview)).map((state) => link({ state }, overview.states[state] ?? 0, stateWords(state).toLowerCase()))}
${link({ held: true }, overview.held, 'on hold')}
${link({ overdue: true }, overview.overdue, 'overdue')}
</ul>
<p class="${health.well ? '' : 'bad'}">${health.words} ${overview.sweptAt ? `Last sweep ${momentWords(overview.sweptAt, now)}.` : 'No sweep has run yet.'}</p>
${overview.mails === null ? '' : html`<p class="bad">${mailWords(overview.mails)}</p>`}
<p>${pace}</p>
</section>`;
}

/** Who is late or fails, and whether test data was not erased. Nothing when all is well. */
function watchLines(href: Href, { owners, lastCycle }: ListView): Html | '' {
  const late = owners.filter(({ state }) => state === 'late').length;
  const failing = owners.filter(({ state }) => state === 'failing').length;
  const words = [
    ...(late > 0 ? [`${late === 1 ? '1 owner is' : `${late} owners are`} late`] : []),
    ...(failing > 0
      ? [late > 0 ? `${failing} failing` : `${failing === 1 ? '1 owner is' : `${failing} owners are`} failing`]
      : []),
  ];
  const failed = lastCycle?.state === 'failed';
  if (words.length === 0 && !failed) return '';
  return html`<ul class="watch">${words.length > 0 ? html`<li><a class="alarm" href="${href(OWNERS)}">${words.join(', ')}</a></li>` : ''}${failed ? html`<li><a class="alarm" href="${href(TEST_DATA)}">Test data was not erased</a></li>` : ''}</ul>`;
}

const mailWords = ({ count: n, outcome }: NonNullable<Overview['mails']>) =>
  html`${n === 1 ? 'A mail waits' : `${count(n)} mails wait`}: <bdi>${outcomeWords(outcome)}</bdi>.`;

/** Not everybody has partners: the state is hidden where no erasure is in it. */
const isShown = (state: string, { states }: Overview) => state !== 'awaiting' || (states.awaiting ?? 0) > 0;

const searchForm = (
  href: Href,
  search: Search,
  overview: Overview,
): Html => html`<form class="search" role="search" method="get" action="${href(ERASURES)}">
<label class="grow"><span>Account or erasure</span>
<input type="search" name="q" value="${search.q}" placeholder="Account id or erasure id" maxlength="200" autocomplete="off" spellcheck="false"></label>
<label><span>State</span>
<select name="state"><option value="">Any</option>${STATES.filter((state) => state === search.state || isShown(state, overview)).map((state) => html`<option value="${state}" ${search.state === state ? 'selected' : ''}>${stateWords(state)}</option>`)}</select></label>
<label><span>Accounts</span>
<select name="accounts">${Object.entries(ACCOUNTS).map(([value, words]) => html`<option value="${value}" ${search.accounts === value ? 'selected' : ''}>${words}</option>`)}</select></label>
<label class="check"><input type="checkbox" name="held" value="1" ${search.held ? 'checked' : ''}> On hold</label>
<label class="check"><input type="checkbox" name="overdue" value="1" ${search.overdue ? 'checked' : ''}> Overdue</label>
<button class="main">Search</button>
${JSON.stringify(search) === JSON.stringify(ANY) ? '' : html`<a class="clear" href="${href(ERASURES)}">Clear</a>`}
${search.owner === '' ? '' : html`<p class="of-owner"><input type="hidden" name="owner" value="${search.owner}"><input type="hidden" name="tasks" value="${search.tasks}">Only those with ${TASK_WORDS[search.tasks]} of <bdi>${search.owner}</bdi></p>`}
</form>`;

const ACCOUNTS: Record<Search['accounts'], string> = { '': 'All', users: 'Users', test: 'Test data' };
const TASK_WORDS: Record<Search['tasks'], string> = {
  open: 'an open task',
  late: 'a late task',
  failing: 'a failing task',
};

const COLUMNS = ['Erasure', 'Account', 'State', 'Mode', 'Requested', 'Progress', 'What happens next', 'Due'];

// The roles are written out: to a screen reader a table that is laid out as cards is no table any more.
const table = (href: Href, rows: readonly Row[], now: Date): Html => html`<table class="list" role="table">
<caption class="unseen">Erasures, newest first</caption>
<thead role="rowgroup"><tr role="row">${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
<tbody role="rowgroup">${rows.map((row) => line(href, row, now))}</tbody>
</table>`;

const cell = (column: number, content: unknown, kind = '') =>
  html`<td role="cell" class="${kind}" data-label="${COLUMNS[column]}"><div>${content}</div></td>`;

function line(href: Href, row: Row, now: Date): Html {
  const { erasure: e } = row;
  const overdue = isOverdue(e, now);
  return html`<tr role="row">
${cell(0, html`<a class="id" href="${href(`${ERASURES}/${e.id}`)}" title="${e.id}">${shortId(e.id)}</a>`)}
${cell(1, html`${accountOf(e)}${testMark(e)}`, 'account')}
${cell(2, html`${stateMarks(e.state, isHeld(e))}`)}
${cell(3, html`<span class="soft">${e.mode}</span>`)}
${cell(4, html`${clock(e.requestedAt, now)}${e.requestedBy ? html` <span class="soft">by <bdi>${whoWords(e.requestedBy)}</bdi></span>` : ''}`)}
${cell(5, progressOf(row), 'number')}
${cell(6, html`<bdi>${nextStep(e, row, now)}</bdi>`)}
${cell(7, html`${isFinal(e.state) ? clock(e.dueAt, now) : moment(e.dueAt, now)}${overdue ? html` <span class="state overdue">Overdue</span>` : ''}`, overdue ? 'overdue' : '')}
</tr>`;
}

/** The account's key, or that it was forgotten. */
export const accountOf = (e: Erasure): Html =>
  e.accountKey === null ? html`<span class="soft">scrubbed</span>` : html`<bdi class="key">${e.accountKey}</bdi>`;

function progressOf({ erasure: e, percent }: Row): Html | string {
  if (e.state === 'completed') return '100%';
  if (e.startedAt === null || e.state === 'cancelled' || percent === null) return '–';
  return html`<progress aria-label="Progress" value="${percent}" max="100"></progress> ${percent}%`;
}
