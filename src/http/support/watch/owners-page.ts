import { html } from 'hono/html';
import type { DeclaredOwner } from '../../../catalog/live/declared.ts';
import type { OwnerState } from '../../../erasure/watch/measured.ts';
import type { OwnerSeen } from '../../../erasure/watch/read-owners.ts';
import type { Href } from '../../assets/assets.ts';
import { type Html, layout, OWNERS, type Viewer } from '../../sign-in/frame.ts';
import { ANY, addressOf, type Search } from '../address.ts';
import { clock, count } from '../words/marks.ts';
import { clockWords, momentWords, spanWords } from '../words/moments.ts';

/** How its team is reached, as the catalog says. */
type Reached = Pick<DeclaredOwner, 'owner' | 'contact' | 'notify'>;
export type OwnersView = { owners: readonly OwnerSeen[]; declared: readonly Reached[] };

/** Workers look every ten seconds. */
const STALE_MS = 60_000;
const STATES: Record<OwnerState, string> = { late: 'Late', failing: 'Failing', well: 'Well' };
const WORST_FIRST = Object.keys(STATES);
const COLUMNS = ['Owner', 'State', 'Open', 'Late', 'Failing', 'Oldest', 'Deadline used', 'Time to done', 'Told'];
const NOTHING = '–';

/** How it stands with each owner of locations, the worst first. */
export function ownersPage(href: Href, { user }: Viewer, { owners, declared }: OwnersView, now: Date): Html {
  const sorted = [...owners].sort((a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state));
  const reached = new Map(declared.map((one) => [one.owner, one]));
  return layout(
    href,
    { title: 'Owners', user, at: OWNERS },
    html`<h1>Owners</h1>
<p class="soft">Each team answers for its locations. Counted are tasks of erasures that have begun, are not on hold and are no test data. The times to done are those of the last 30 days.</p>
${staleNotice(owners, now)}
${sorted.length === 0 ? html`<p class="empty">No worker has looked yet.</p>` : table(href, sorted, reached, now)}`,
  );
}

function staleNotice(owners: readonly OwnerSeen[], now: Date): Html | '' {
  // By the database's clock, which wrote it: this machine's may be another.
  const agoMs = Math.min(...owners.map(({ seenMsAgo }) => seenMsAgo));
  if (owners.length === 0 || agoMs < STALE_MS) return '';
  return html`<p class="notice bad" role="alert">No worker has looked since ${momentWords(new Date(now.getTime() - agoMs), now)}: it may stand otherwise now, and nobody is told.</p>`;
}

// The roles are written out: to a screen reader a table that is laid out as cards is no table any more.
const table = (
  href: Href,
  owners: readonly OwnerSeen[],
  reached: ReadonlyMap<string, Reached>,
  now: Date,
): Html => html`<table class="list owners" role="table">
<caption class="unseen">Owners, the worst first</caption>
<thead role="rowgroup"><tr role="row">${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
<tbody role="rowgroup">${owners.map((owner) => line(href, owner, reached.get(owner.name), now))}</tbody>
</table>`;

const cell = (column: number, content: unknown, kind = '') =>
  html`<td role="cell" class="${kind}${content === NOTHING ? ' nothing' : ''}" data-label="${COLUMNS[column]}"><div>${content}</div></td>`;

function line(href: Href, owner: OwnerSeen, reached: Reached | undefined, now: Date): Html {
  const { name, state, since, oldestAt, done } = owner;
  const list = (tasks: Search['tasks'], n: number) =>
    n === 0
      ? '0'
      : html`<a class="those" href="${addressOf(href, { ...ANY, owner: name, tasks })}">${count(n)}<span class="unseen"> ${tasks} of ${name}</span></a>`;
  return html`<tr role="row">
${cell(0, html`<b><bdi>${name}</bdi></b>${reached?.contact ? html` <span class="soft"><bdi>${reached.contact}</bdi></span>` : ''}`, 'name')}
${cell(1, html`<span class="state ${state}">${STATES[state]}</span> <span class="soft">since ${clock(since, now)}</span>`, 'when')}
${cell(2, list('open', owner.open), 'number')}
${cell(3, list('late', owner.late), 'number')}
${cell(4, list('failing', owner.failing), 'number')}
${cell(5, oldestAt ? html`${spanWords(now.getTime() - oldestAt.getTime())}` : NOTHING)}
${cell(6, owner.open === 0 ? NOTHING : usedOf(owner.used), 'number')}
${cell(7, done ? html`p50 ${secondsWords(done.p50)}, p95 ${secondsWords(done.p95)}${done.late > 0 ? html` <span class="soft">${count(done.late)} of ${count(done.late + done.inTime)} late</span>` : ''}` : NOTHING)}
${cell(8, toldOf(owner, reached, now), 'when')}
</tr>
${aboutOf(owner)}`;
}

/** The share of its deadline that a task has used, of the one that has used most. */
function usedOf(used: number): Html {
  const percent = Math.round(used * 100);
  return html`<progress aria-label="Deadline used" value="${Math.min(100, percent)}" max="100"></progress> ${count(percent)}%`;
}

/** A time to done: `40 s`, or in the words of a length of time. */
const secondsWords = (seconds: number): string =>
  seconds < 60 ? `${Math.round(seconds)} s` : spanWords(seconds * 1000);

function toldOf({ told }: OwnerSeen, reached: Reached | undefined, now: Date): Html {
  const notify = reached?.notify;
  if (!notify) return html`<span class="soft">Nobody: the catalog has no notify for it</span>`;
  const way = 'mail' in notify ? notify.mail : new URL(notify.url).host;
  const last = told.at ? `${STATES[told.state]}, ${clockWords(told.at, now)}` : 'Nothing yet';
  return html`${last} <span class="soft"><bdi>${way}</bdi></span>${told.owed ? owedOf(told.owed, now) : ''}`;
}

const owedOf = ({ attempts, nextAt, words }: NonNullable<OwnerSeen['told']['owed']>, now: Date): Html =>
  html`<br><span class="task failed">Not taken yet</span> <span class="soft">${attempts === 1 ? '1 try' : `${attempts} tries`}${nextAt ? `, next ${nextAt > now ? momentWords(nextAt, now) : 'any moment'}` : ''}${words ? html`: <bdi>${words}</bdi>` : ''}</span>`;

/** A row below the owner's own: where it is late or fails. */
function aboutOf({ locations, words, state }: OwnerSeen): Html | '' {
  const of = state === 'well' ? [] : locations;
  if (of.length === 0 && words.length === 0) return '';
  return html`<tr role="row" class="about"><td role="cell" colspan="${COLUMNS.length}"><p>${of.length > 0 ? html`In ${of.map((name, i) => html`${i > 0 ? ', ' : ''}<bdi>${name}</bdi>`)}. ` : ''}${words.map((line) => html`<bdi>${line}.</bdi> `)}</p></td></tr>`;
}
