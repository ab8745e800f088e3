import { z } from 'zod';
import { splitList } from './values.ts';

/** What an API key may do. */
export const SCOPES = ['erasures:write', 'erasures:read', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];
/** Who somebody is on the dashboard. */
export const ROLES = ['support', 'ops'] as const;
export type DashboardRole = (typeof ROLES)[number];

/** A list of API keys: a name, its scopes, and the SHA-256 of the key in hexadecimal digits. */
export const apiKeys = z.string().transform((text, ctx) =>
  splitList(text).map((entry) => {
    const [name, scopes, hash, ...rest] = entry.split('=');
    const list = (scopes ?? '').split('+');
    if (
      !name ||
      rest.length > 0 ||
      !/^[0-9a-f]{64}$/.test(hash ?? '') ||
      !list.every((s) => (SCOPES as readonly string[]).includes(s))
    ) {
      ctx.addIssue(`expected name=scope+scope=sha256hex with scopes of ${SCOPES.join(', ')}`);
      return z.NEVER;
    }
    return { name, scopes: list as Scope[], hash: hash as string };
  }),
);

/** A list of people of the dashboard: a name, a role, and the hash of the password. */
export const dashboardUsers = z.string().transform((text, ctx) =>
  splitList(text).map((entry) => {
    const [name, role, hash, ...rest] = entry.split('=');
    if (
      !/^[\w.@-]{1,100}$/.test(name ?? '') ||
      !(ROLES as readonly string[]).includes(role ?? '') ||
      !/^\d+:\d+:\d+:[\w-]+:[\w-]+$/.test(hash ?? '') ||
      rest.length > 0
    ) {
      ctx.addIssue('expected name=role=hash with role support or ops and a hash printed by `lethe password`');
      return z.NEVER;
    }
    return { name: name as string, role: role as DashboardRole, hash: hash as string };
  }),
);
