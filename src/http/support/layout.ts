import { html } from 'hono/html';
import type { Href } from '../assets/assets.ts';
import type { DashboardUser } from '../sign-in/session.ts';
import { clockWords, momentWords } from './moments.ts';

export type Html = ReturnType<typeof html>;
/** Who looks, and the token that this user's forms carry. */
export type Viewer = { user: DashboardUser; csrf: string };
type Frame = {
  title: string;
  user?: DashboardUser;
  /** The page shows something that moves: the script looks again, and without script the browser does. */
  live?: boolean;
};

export const ERASURES = '/admin/erasures';
const QUEUES = '/admin/queues';
const NO_SCRIPT_REFRESH_SECONDS = 5;

/** What every page of the dashboard has around it; the sign-in page has no user. */
export const layout = (href: Href, { title, user, live = false }: Frame, body: Html): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${title} – Lethe</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${href('support.css')}">
<script type="module" src="${href('support.js')}"></script>
${live ? html`<noscript><meta http-equiv="refresh" content="${NO_SCRIPT_REFRESH_SECONDS}"></noscript>` : ''}
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
<span class="brand">Lethe</span>
${user ? navigation(href, user) : ''}
</header>
<main id="main" tabindex="-1" ${live ? html`data-live-page` : ''}>
${body}
</main>
<p id="announcer" class="unseen" role="status" aria-live="polite"></p>
</body>
</html>`;

const navigation = (href: Href, user: DashboardUser): Html => html`<nav aria-label="Dashboard">
<a href="${href(ERASURES)}" aria-current="true">Erasures</a>
<a href="${href(QUEUES)}">Queues</a>
</nav>
<form class="who" method="post" action="${href('/admin/logout')}">
<span><b>${user.name}</b> <span class="role">${user.role}</span></span>
<button class="plain">Sign out</button>
</form>`;

/** The form that everything else is behind. */
export const signInPage = (href: Href, message = ''): Html =>
  layout(
    href,
    { title: 'Sign in' },
    html`<div class="sign-in"><h1>Sign in</h1>
${message ? html`<p class="notice bad" role="alert">${message}</p>` : ''}
<form method="post" action="${href('/admin/login')}">
<label for="name">Name</label><input id="name" name="name" autocomplete="username" autocapitalize="none" required>
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
<button class="main">Sign in</button>
</form></div>`,
  );

/** A page that only says something. */
export const sayingPage = (href: Href, user: DashboardUser, title: string, words: string): Html =>
  layout(
    href,
    { title, user },
    html`<h1>${title}</h1><p>${words}</p><p><a href="${href(ERASURES)}">All erasures</a></p>`,
  );

const STATES: Record<string, string> = {
  scheduled: 'Scheduled',
  running: 'Running',
  awaiting: 'Awaiting partners',
  stalled: 'Stalled',
  completed: 'Completed',
  cancelled: 'Undone',
};
/** A state in words. */
export const stateWords = (state: string): string => STATES[state] ?? state;

/** The state as a mark, and the hold as another one. */
export const stateMarks = (state: string, held: boolean): Html =>
  html`<span class="state ${state}">${stateWords(state)}</span>${held ? html` <span class="state held">On hold</span>` : ''}`;

/** A moment with its distance; the machine's spelling goes along. */
export const moment = (at: Date, now: Date): Html =>
  html`<time datetime="${at.toISOString()}">${momentWords(at, now)}</time>`;

/** A moment alone. */
export const clock = (at: Date, now: Date): Html =>
  html`<time datetime="${at.toISOString()}" title="${at.toISOString()}">${clockWords(at, now)}</time>`;

export const count = (n: number): string => n.toLocaleString('en-US');

/** `019ab3f2…c3d4e5`: the beginning tells the time, the end tells two of the same minute apart. */
export const shortId = (id: string): string => `${id.slice(0, 8)}…${id.slice(-6)}`;
