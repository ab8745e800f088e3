import { html } from 'hono/html';
import type { Html } from '../../sign-in/frame.ts';
import { errorWords } from '../words/error-words.ts';
import { clock, count } from '../words/marks.ts';
import type { Stage } from './line-of.ts';
import type { Stop } from './stop.ts';

const COLUMNS = ['Task', 'Owner', 'State', 'Rows', 'Tries failed', 'Next try', 'Deadline'];

/** The stages in one line: each leads to its tasks. */
export function showStages(stages: readonly Stage[]): Html {
  const keys = [...new Set(stages.map(({ key }) => key))];
  return html`<ol class="line">${keys.map((key) => {
    const of = stages.filter((stage) => stage.key === key);
    const stops = of.flatMap((stage) => stage.stops);
    return html`<li><a class="leg ${markOf(stops)}" href="#stage-${key}"><b>${of[0]?.title}</b> <span class="how-far">${summaryOf(stops)}</span></a></li>`;
  })}</ol>`;
}

/** The worst that is true of these tasks: its colour. The words beside it say the same. */
function markOf(stops: readonly Stop[]): string {
  const some = (far: Stop['far']) => stops.some((stop) => stop.far === far);
  if (some('failed') || stops.some(({ late }) => late)) return 'failed';
  if (stops.every(({ far }) => far === 'over')) return 'over';
  if (some('waits')) return 'waits';
  return some('now') || some('over') ? 'now' : 'ahead';
}

function summaryOf(stops: readonly Stop[]): string {
  const [only, ...more] = stops;
  if (only && more.length === 0) return `${only.state}${only.late ? ', overdue' : ''}`;
  const failed = stops.filter(({ far }) => far === 'failed').length;
  const late = stops.filter((stop) => stop.late).length;
  const over = stops.filter(({ far }) => far === 'over').length;
  return [
    over === stops.length ? `All ${over} done` : `${over} of ${stops.length} done`,
    ...(failed > 0 ? [`${failed} failing`] : []),
    ...(late > 0 ? [`${late} overdue`] : []),
  ].join(', ');
}

/** All tasks, stage after stage. */
export const showLine = (stages: readonly Stage[], now: Date): Html => html`<table class="list locations" role="table">
<caption class="unseen">Tasks of this erasure, in the order of their turns</caption>
<thead role="rowgroup"><tr role="row">${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
${stages.map((stage, i) => showStage(stage, stages[i - 1]?.key !== stage.key, now))}
</table>`;

const showStage = (
  { key, title, part, stops }: Stage,
  first: boolean,
  now: Date,
): Html => html`<tbody role="rowgroup" ${first ? html`id="stage-${key}"` : ''}>
<tr role="row" class="stage"><th role="rowheader" scope="rowgroup" colspan="${COLUMNS.length}">${title}${part ? html` <span class="soft">${part}</span>` : ''}</th></tr>
${stops.map((stop) => showStop(stop, now))}
</tbody>`;

const NOTHING = '–';
/** Where rows are cards, a cell with nothing in it is left out. */
const cell = (column: number, content: unknown, kind = '') =>
  html`<td role="cell" class="${kind}${content === NOTHING ? ' nothing' : ''}" data-label="${COLUMNS[column]}"><div>${content}</div></td>`;

function showStop(stop: Stop, now: Date): Html {
  const { name, note, owner, dueAt, late, tries, next } = stop;
  return html`<tr role="row">
${cell(0, html`<bdi>${name}</bdi>${note ? html` <span class="soft">${note}</span>` : ''}`, 'name')}
${cell(1, owner ? html`<bdi>${owner}</bdi>` : NOTHING, 'name')}
${cell(2, stateOf(stop, now), 'when')}
${cell(3, rowsOf(stop), 'number')}
${cell(4, tries === 0 ? NOTHING : count(tries), 'number')}
${cell(5, next ?? NOTHING, 'when')}
${cell(6, dueAt ? html`${clock(dueAt, now)}${late ? html` <span class="state overdue">Overdue</span>` : ''}` : NOTHING, late ? 'when overdue' : 'when')}
</tr>
${aboutOf(stop)}${errorOf(stop)}`;
}

/** What is over has a moment, and what is not has a beginning. */
const stateOf = ({ far, state, since }: Stop, now: Date): Html =>
  html`<span class="task ${far}">${state}</span>${since ? html` <span class="soft">${far === 'over' ? '' : 'since '}${clock(since, now)}</span>` : ''}`;

/** A row below the task's own: sentences about it. What a partner has answered is hostile, and is escaped. */
const aboutOf = ({ about }: Stop): Html | '' =>
  about.length === 0
    ? ''
    : html`<tr role="row" class="about"><td role="cell" colspan="${COLUMNS.length}"><p>${about.map((line) => html`<bdi>${line}.</bdi> `)}</p></td></tr>`;

function errorOf({ error }: Stop): Html | '' {
  if (error === null) return '';
  const { words, help, detail } = errorWords(error);
  return html`<tr role="row" class="error"><td role="cell" colspan="${COLUMNS.length}"><p><b>${words}</b> ${help}</p>${detail ? html`<p><code><bdi>${detail}</bdi></code></p>` : ''}</td></tr>`;
}

function rowsOf({ rows }: Stop): Html | string {
  if (!rows) return NOTHING;
  const { name, state, rowsDeleted, rowsPlanned } = rows;
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
