import { html } from 'hono/html';

const icon = (path: unknown) =>
  html`<svg class="icon" viewBox="0 0 24 24" width="28" height="28" aria-hidden="true" focusable="false">${path}</svg>`;

/** One drawing for each thing that a page can say. It is decoration: the words say it too. */
export const ICONS = {
  scheduled: icon(html`<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.5 2"/>`),
  running: icon(html`<path d="M4 7h16M9 7V4.5h6V7M6.5 7l1 13h9l1-13M10.5 11v5.5M13.5 11v5.5"/>`),
  held: icon(html`<circle cx="12" cy="12" r="9"/><path d="M10 9v6M14 9v6"/>`),
  stalled: icon(html`<circle cx="12" cy="12" r="9"/><path d="M12 7.5v5.5M12 16.2v.3"/>`),
  awaiting: icon(
    html`<path d="M7 3.5h10M7 20.5h10M8 3.5c0 4 4 5 4 8.5s-4 4.5-4 8.5M16 3.5c0 4-4 5-4 8.5s4 4.5 4 8.5"/>`,
  ),
  completed: icon(html`<path d="M5 12.5l4.5 4.5L19 7.5"/>`),
  cancelled: icon(html`<path d="M4.5 9.5h9a5.5 5.5 0 0 1 0 11H9M8.5 5.5l-4 4 4 4"/>`),
  confirm: icon(html`<path d="M12 4.5l8.5 15h-17zM12 10v4.5M12 17v.2"/>`),
  missing: icon(html`<circle cx="11" cy="11" r="6.5"/><path d="M16 16l4.5 4.5"/>`),
  unavailable: icon(html`<path d="M7 18.5a4 4 0 0 1-.5-8 6 6 0 0 1 11.5 1.5 3.3 3.3 0 0 1-.5 6.5z"/>`),
};
