import { html } from 'hono/html';
import type { DeclaredCanary } from '../../../catalog/live/declared.ts';
import type { Cycle } from '../../../erasure/progress/canaries.ts';
import type { Href } from '../../assets/assets.ts';
import { ERASURES, type Html, layout, TEST_DATA, type Viewer } from '../../sign-in/frame.ts';
import { clock, count, shortId } from '../words/marks.ts';
import { momentWords, spanWords } from '../words/moments.ts';

/** A location in which nothing is tested, and why. */
export type Untested = { name: string; owner: string; why: string };
export type TestDataView = {
  /** Absent: the catalog has no test data. */
  canary: Pick<DeclaredCanary, 'owner' | 'every' | 'wait' | 'within'> | undefined;
  cycles: readonly Cycle[];
  untested: readonly Untested[];
};

export const MOST_CYCLES = 50;
const STATES: Readonly<Record<string, string>> = {
  planting: 'Being planted',
  planted: 'Planted',
  requested: 'Being erased',
  passed: 'Passed',
  failed: 'Failed',
};
const COLUMNS = ['Planted', 'State', 'Took', 'Where', 'Erasure'];
const NOTHING = '–';

/** The newest test data: what was planted, whether it was erased, and what was found. */
export const testDataPage = (href: Href, { user }: Viewer, view: TestDataView, now: Date): Html =>
  layout(
    href,
    { title: 'Test data', user, at: TEST_DATA },
    html`<h1>Test data</h1>
<p class="soft">${planOf(view.canary)}</p>
${untestedOf(view.untested)}
${view.cycles.length === 0 ? html`<p class="empty">No test data was planted yet.</p>` : table(href, view.cycles, now)}`,
  );

const planOf = (canary: TestDataView['canary']): Html | string =>
  canary
    ? html`Every ${spanWords(canary.every)} an account is planted, its erasure is asked for ${spanWords(canary.wait)} later, and ${spanWords(canary.within)} after that nothing of it may be left. <bdi>${canary.owner}</bdi> answers for it.`
    : 'The catalog has no canary: no test data is planted.';

const table = (href: Href, cycles: readonly Cycle[], now: Date): Html => html`<table class="list cycles" role="table">
<caption class="unseen">Test data, newest first</caption>
<thead role="rowgroup"><tr role="row">${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
<tbody role="rowgroup">${cycles.map((cycle) => line(href, cycle, now))}</tbody>
</table>`;

const cell = (column: number, content: unknown, kind = '') =>
  html`<td role="cell" class="${kind}${content === NOTHING ? ' nothing' : ''}" data-label="${COLUMNS[column]}"><div>${content}</div></td>`;

function line(href: Href, cycle: Cycle, now: Date): Html {
  const { state, erasureId, finishedAt, findings } = cycle;
  return html`<tr role="row">
${cell(0, clock(cycle.plantedAt ?? cycle.createdAt, now), 'when')}
${cell(1, html`<span class="state ${state}">${STATES[state] ?? state}</span>`)}
${cell(2, tookOf(cycle), 'when')}
${cell(3, whereOf(cycle))}
${cell(4, erasureId ? html`<a class="id" href="${href(`${ERASURES}/${erasureId}`)}">${shortId(erasureId)}</a>` : NOTHING)}
</tr>
${finishedAt === null ? underWay(cycle, now) : ''}${(findings ?? []).length > 0 ? found(findings ?? []) : ''}`;
}

/** From the planting to the verdict, and how much of it was the erasure. */
function tookOf({ createdAt, requestedAt, finishedAt }: Cycle): Html | string {
  if (finishedAt === null) return NOTHING;
  const whole = lengthWords(finishedAt.getTime() - createdAt.getTime());
  return requestedAt
    ? html`${whole} <span class="soft">erased in ${lengthWords(finishedAt.getTime() - requestedAt.getTime())}</span>`
    : html`${whole}`;
}

/** A length of time, to the second below a minute. */
const lengthWords = (ms: number): string => (ms < 60_000 ? `${Math.max(1, Math.round(ms / 1000))} s` : spanWords(ms));

function whereOf({ planted }: Cycle): Html | string {
  const where = Object.entries(planted ?? {});
  if (where.length === 0) return NOTHING;
  return html`${where.map(([name, n], i) => html`${i > 0 ? ', ' : ''}${count(n)} in <bdi>${name}</bdi>`)}`;
}

/** A row below one that is not over: what comes next, and what kept the last try from its end. */
function underWay({ nextAt, attempts, lastWords }: Cycle, now: Date): Html {
  const next = nextAt ? `Next step ${nextAt > now ? `at ${momentWords(nextAt, now)}` : 'any moment'}` : '';
  const failed = lastWords
    ? html` <bdi>${`${attempts > 1 ? `${attempts} tries` : 'Last try'}: ${lastWords}`}.</bdi>`
    : '';
  return html`<tr role="row" class="about"><td role="cell" colspan="${COLUMNS.length}"><p>${next ? `${next}.` : ''}${failed}</p></td></tr>`;
}

const found = (findings: readonly { location: string; words: string }[]): Html =>
  html`<tr role="row" class="error"><td role="cell" colspan="${COLUMNS.length}"><ul class="findings">${findings.map(
    ({ location, words }) => html`<li><b><bdi>${location}</bdi></b>: <bdi>${words}</bdi></li>`,
  )}</ul></td></tr>`;

function untestedOf(untested: readonly Untested[]): Html | '' {
  if (untested.length === 0) return '';
  return html`<section><h2>Not tested</h2>
<p class="soft">If one of these erased nothing, test data would not show it.</p>
<ul class="findings">${untested.map(({ name, owner, why }) => html`<li><b><bdi>${name}</bdi></b> <span class="soft">of <bdi>${owner}</bdi></span>: ${why}</li>`)}</ul></section>`;
}
