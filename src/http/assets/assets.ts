import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Hono } from 'hono';
import type { Config } from '../../config.ts';
import { basePath } from '../server/base-path.ts';
import { brandSheet } from './brand.ts';

export type AssetName = 'status.css' | 'status.js' | 'brand.css' | 'support.css' | 'support.js' | 'board.css';
type AssetConfig = Pick<Config, 'LETHE_BRAND_COLOR' | 'LETHE_BRAND_COLOR_DARK' | 'LETHE_PUBLIC_URL'>;
/**
 * The address that a browser is told. An asset's address changes with its content, so that browsers may keep it for
 * ever. A path of the application (`/admin/erasures`) gets the folder in front where a proxy serves Lethe below one.
 */
export type Href = (to: AssetName | `/${string}`) => string;
export type Assets = {
  href: Href;
  /** `GET /{name}`. */
  routes: Hono;
};

const YEAR_SECONDS = 31_536_000;
const FOLDER = new URL('./', import.meta.url);
const read = (name: string) => readFileSync(new URL(name, FOLDER), 'utf8');

/** The pages' style sheets and scripts, read from disk once. */
export function createAssets(config: AssetConfig): Assets {
  const sources: Record<AssetName, string> = {
    'status.css': read('status.css'),
    // One file for browsers: while two versions run side by side, each part could come from another one.
    'status.js': read('live-view.js') + read('status.js'),
    'support.css': read('support.css'),
    'support.js': read('support.js'),
    'board.css': read('board.css'),
    'brand.css': brandSheet(config.LETHE_BRAND_COLOR, config.LETHE_BRAND_COLOR_DARK),
  };
  const assets = new Map(
    Object.entries(sources).map(([name, body]) => [
      name,
      {
        body,
        version: createHash('sha256').update(body).digest('base64url').slice(0, 12),
        type: name.endsWith('.js') ? 'text/javascript; charset=utf-8' : 'text/css; charset=utf-8',
      },
    ]),
  );
  const base = basePath(config);
  const routes = new Hono();
  routes.get('/:name', (c) => {
    const found = assets.get(c.req.param('name'));
    if (!found) return c.notFound();
    // While two versions run side by side, the process that is asked may not be the one that wrote the page.
    const current = c.req.query('v') === found.version;
    c.header('Cache-Control', current ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache');
    c.header('Content-Type', found.type);
    return c.body(found.body);
  });
  const href: Href = (to) =>
    to.startsWith('/') ? `${base}${to}` : `${base}/assets/${to}?v=${assets.get(to)?.version}`;
  return { href, routes };
}
