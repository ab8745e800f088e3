import { html } from 'hono/html';
import type { Href } from '../assets/assets.ts';
import type { DashboardUser } from './session.ts';

export type Html = ReturnType<typeof html>;
/** Who looks, and the token that this user's forms carry. */
export type Viewer = { user: DashboardUser; csrf: string };
type Frame = {
  title: string;
  user?: DashboardUser;
  /** Where the page belongs in the navigation. */
  at?: keyof typeof PAGES;
  /** The page shows something that moves: the script looks again, and without script the browser does. */
  live?: boolean;
};

/** Where the support page is. */
export const ERASURES = '/admin/erasures';
/** How it stands with each owner, and with the test data. */
export const OWNERS = '/admin/owners';
export const TEST_DATA = '/admin/test-data';
/** What the navigation leads to. */
export const PAGES = {
  [ERASURES]: 'Erasures',
  [OWNERS]: 'Owners',
  [TEST_DATA]: 'Test data',
  '/admin/queues': 'Queues',
} as const;
const NO_SCRIPT_REFRESH_SECONDS = 5;

/** What every page of the dashboard has around it; the sign-in page has no user. */
export const layout = (
  href: Href,
  { title, user, at = ERASURES, live = false }: Frame,
  body: Html,
): Html => html`<!doctype html>
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
${user ? navigation(href, user, at) : ''}
</header>
<main id="main" tabindex="-1" ${live ? html`data-live-page` : ''}>
${body}
</main>
<p id="announcer" class="unseen" role="status" aria-live="polite"></p>
</body>
</html>`;

const navigation = (href: Href, user: DashboardUser, at: keyof typeof PAGES): Html => html`<nav aria-label="Dashboard">
${Object.entries(PAGES).map(([path, name]) => html`<a href="${href(path as keyof typeof PAGES)}" ${path === at ? html`aria-current="true"` : ''}>${name}</a>`)}
</nav>
<form class="who" method="post" action="${href('/admin/logout')}">
<span><b>${user.name}</b> <span class="role">${user.role}</span></span>
<button class="plain">Sign out</button>
</form>`;

/** The form that the dashboard is behind. `message`: what was wrong with the attempt before. */
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
