import { html } from 'hono/html';
import { MOST_WAITING, type PartnerState } from '../../erasure/progress/partners.ts';
import type { Html } from '../sign-in/frame.ts';
import { count } from './words/marks.ts';
import { clockWords, momentWords } from './words/moments.ts';

const COLUMNS = ['Partner', 'Circuit', 'Waiting calls', 'Oldest', 'Last answer'];

/** How it stands with each partner. Nothing where there are none. */
export function partnersOf(partners: readonly PartnerState[], now: Date): Html | '' {
  if (partners.length === 0) return '';
  const troubled = partners.filter((p) => p.openSince || p.pausedUntil).length;
  return html`<details class="partners" ${troubled > 0 ? 'open' : ''}><summary>${summaryOf(partners.length, troubled)}</summary>
<table class="list" role="table"><caption class="unseen">Partners, those whose circuit is open first</caption>
<thead role="rowgroup"><tr role="row">${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr></thead>
<tbody role="rowgroup">${partners.map((partner) => rowOf(partner, now))}</tbody>
</table></details>`;
}

const summaryOf = (all: number, troubled: number): string => {
  const partners = `${all} ${all === 1 ? 'partner' : 'partners'}`;
  return troubled === 0 ? `${partners}, all of them reachable` : `${partners}, ${troubled} cannot be asked now`;
};

const cell = (column: number, content: unknown, kind = '') =>
  html`<td role="cell" class="${kind}" data-label="${COLUMNS[column]}"><div>${content}</div></td>`;

function rowOf(partner: PartnerState, now: Date): Html {
  const { name, waiting, oldestAt, openSince, pausedUntil, answeredAt, words } = partner;
  const bounded = waiting === MOST_WAITING;
  const calls = `${bounded ? 'at least ' : ''}${count(waiting)}`;
  const oldest = oldestAt ? `${momentWords(oldestAt, now)}${bounded ? ', or earlier' : ''}` : '–';
  return html`<tr role="row">
${cell(0, html`<bdi>${name}</bdi>`)}
${cell(1, circuitOf(partner, now))}
${cell(2, calls, 'number')}
${cell(3, waiting === 0 ? '–' : oldest)}
${cell(4, html`${answeredAt ? `Answered ${clockWords(answeredAt, now)}` : 'Never answered'}${words && (openSince || pausedUntil || waiting > 0) ? html`. <span class="soft">Last failure: <bdi>${words}</bdi></span>` : ''}`)}
</tr>`;
}

function circuitOf({ openSince, probeAt, pausedUntil }: PartnerState, now: Date): Html {
  if (openSince)
    return html`<span class="state stalled">Open</span> since ${momentWords(openSince, now)}${probeAt ? `; next probe ${probeAt > now ? momentWords(probeAt, now) : 'any moment'}` : ''}`;
  if (pausedUntil) return html`<span class="state held">Paused</span> until ${momentWords(pausedUntil, now)}`;
  return html`Closed`;
}
