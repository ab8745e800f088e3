import { html } from 'hono/html';
import type { Href } from '../assets/assets.ts';
import type { Shown } from '../assets/live-view.js';
import { ICONS } from './icons.ts';
import { NOTICES, type Notice, type Phrase, type StatusView } from './view.ts';

/** What every page of the status page needs. */
export type Site = {
  brand: string;
  brandUrl: string | undefined;
  href: Href;
};

/** Where a page's forms and its script go. All of them carry the token. */
export type Links = {
  /** The page itself, with the token. */
  self: string;
  undo: string;
  start: string;
  /** The question before a start, with the token. */
  askStart: string;
  events: string;
  token: string;
};

type Html = ReturnType<typeof html>;
type Frame = {
  shown: Shown | 'confirm' | 'missing' | 'unavailable' | 'failed';
  title: string;
  refresh?: number;
  events?: string;
};

const NO_SCRIPT_REFRESH_SECONDS = 5;

const frame = (site: Site, { shown, title, refresh, events }: Frame, body: Html): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${title} – ${site.brand}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${site.href('brand.css')}">
<link rel="stylesheet" href="${site.href('status.css')}">
<script type="module" src="${site.href('status.js')}"></script>
${refresh === undefined ? '' : html`<noscript><meta http-equiv="refresh" content="${refresh}"></noscript>`}
</head>
<body>
<header>${site.brandUrl ? html`<a class="brand" href="${site.brandUrl}">${site.brand}</a>` : html`<span class="brand">${site.brand}</span>`}</header>
<main data-shown="${shown}" ${events === undefined ? '' : html`data-events="${events}"`}>
${body}
</main>
<p id="announcer" class="unseen" role="status" aria-live="polite"></p>
</body>
</html>`;

const ISO = (date: Date) => date.toISOString();
/** `on 22 November 2026 at 14:00 UTC`; the script tells it in the reader's own time. */
export const inUtc = (date: Date): string =>
  `on ${new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(date)} UTC`;

const phrase = (parts: Phrase): Html =>
  html`${parts.map((part) => (typeof part === 'string' ? part : html`<time datetime="${ISO(part)}">${inUtc(part)}</time>`))}`;

const badge = (shown: keyof typeof ICONS) => html`<div class="badge">${ICONS[shown]}</div>`;

const barsOf = (view: StatusView): Html =>
  html`<ul class="bars">${view.bars.map(
    (bar, i) => html`
<li data-location="${bar.name}"><span class="label" id="bar-${i}">${bar.label}</span> <span class="words" data-live="words-${i}">${bar.words}</span>
<progress aria-labelledby="bar-${i}" value="${bar.value}" max="${bar.max}" data-live="bar-${i}"></progress></li>`,
  )}</ul>`;

const overallOf = ({ overall }: StatusView): Html | '' =>
  overall === null
    ? ''
    : html`<div class="overall"><p class="figures"><span class="percent" data-live="percent">${overall.percent}</span>
<span class="left" data-live="left">${overall.left}</span></p>
<progress aria-label="Whole deletion" value="${overall.value}" max="${overall.max}" data-live="overall"></progress></div>`;

const undoForm = (links: Links, main: boolean) => html`<form method="post" action="${links.undo}">
<input type="hidden" name="token" value="${links.token}"><button class="${main ? 'main' : ''}">Undo the deletion</button></form>`;

const foot = (reference: string, canUndo: boolean): Html => html`<footer>
${canUndo ? html`<p>Keep this page’s address to yourself: whoever has it can undo the deletion, or start it now.</p>` : ''}
<p>Reference: <span class="reference">${reference}</span></p></footer>`;

/** The page of one erasure. */
export function statusPage(site: Site, links: Links, view: StatusView, reference: string, notice?: Notice): Html {
  const { shown, heading } = view;
  const live = view.final ? {} : { events: links.events };
  const refresh = shown === 'running' ? { refresh: NO_SCRIPT_REFRESH_SECONDS } : {};
  return frame(
    site,
    { shown, title: heading, ...live, ...refresh },
    html`<article class="card">
${badge(shown)}
<h1 tabindex="-1">${heading}</h1>
${notice ? html`<p class="notice" role="alert">${NOTICES[notice]}</p>` : ''}
<p class="lead" data-live="lead">${phrase(view.lead)}</p>
${view.more.map((part) => html`<p>${phrase(part)}</p>`)}
${overallOf(view)}
${view.bars.length === 0 ? '' : barsOf(view)}
${
  view.counts.length === 0
    ? ''
    : html`<h2>What was deleted</h2><dl class="counts">${view.counts.map(({ label, words }) => html`<div><dt>${label}</dt><dd>${words}</dd></div>`)}</dl>`
}
${view.next.length === 0 ? '' : html`<h2>What happens</h2><ul class="next">${view.next.map((line) => html`<li>${line}</li>`)}</ul>`}
${view.canUndo || view.canStart ? html`<div class="actions">${view.canUndo ? undoForm(links, true) : ''}${view.canStart ? html`<a class="button quiet" href="${links.askStart}">Delete now</a>` : ''}</div>` : ''}
${shown === 'cancelled' && site.brandUrl ? html`<div class="actions"><a class="button main" href="${site.brandUrl}">Go to ${site.brand}</a></div>` : ''}
</article>
${foot(reference, view.canUndo)}`,
  );
}

/** The question before a start. A start cannot be undone, so one click is not enough. */
export const confirmPage = (site: Site, links: Links, reference: string): Html =>
  frame(
    site,
    { shown: 'confirm', title: 'Delete your account now?' },
    html`<article class="card">
${badge('confirm')}
<h1 tabindex="-1">Delete your account now?</h1>
<p class="lead">The deletion starts at once instead of waiting. After that it cannot be stopped or undone.</p>
<div class="actions"><form method="post" action="${links.start}"><input type="hidden" name="token" value="${links.token}"><button class="danger">Yes, delete it now</button></form>
<a class="button quiet" href="${links.self}">No, go back</a></div>
</article>
${foot(reference, true)}`,
  );

/** For a link that opens nothing. The page is the same whatever is wrong with the link, so that it tells nothing. */
export const missingPage = (site: Site): Html =>
  frame(
    site,
    { shown: 'missing', title: 'We cannot find that page' },
    html`<article class="card">${badge('missing')}<h1 tabindex="-1">We cannot find that page</h1>
<p class="lead">This link does not work. Please open the newest link from our mail again, and check that it is complete.</p></article>`,
  );

/** For a link that is over. Whoever has it had the right one. */
export const endedPage = (site: Site): Html =>
  frame(
    site,
    { shown: 'missing', title: 'This link has ended' },
    html`<article class="card">${badge('missing')}<h1 tabindex="-1">This link has ended</h1>
<p class="lead">Your request was finished long ago, and this page is not kept any longer. There is nothing left to do.</p></article>`,
  );

/** For when the state cannot be read now. The page tries again by itself. */
export const unavailablePage = (site: Site, retrySeconds: number): Html =>
  frame(
    site,
    { shown: 'unavailable', title: 'Just a moment', refresh: retrySeconds },
    html`<article class="card">${badge('unavailable')}<h1 tabindex="-1">Just a moment</h1>
<p class="lead">We cannot show the state of your request right now. Nothing is lost: this page tries again by itself.</p></article>`,
  );

/** For a failure that the reader can do nothing about. */
export const failedPage = (site: Site): Html =>
  frame(
    site,
    { shown: 'failed', title: 'That did not work' },
    html`<article class="card">${badge('stalled')}<h1 tabindex="-1">That did not work</h1>
<p class="lead">Please go back, and try again in a moment.</p></article>`,
  );
