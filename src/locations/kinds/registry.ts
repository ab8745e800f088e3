import { event } from '../event/kind.ts';
import { http } from '../http/kind.ts';
import type { Kind, KindName } from '../kind.ts';
import { objectStore } from '../object-store/kind.ts';
import { request } from '../request/kind.ts';
import { table } from '../table/kind.ts';

/** Kinds by the name that a location carries. Tests add one of their own. */
export type Kinds = Readonly<Record<string, Kind>>;

/** Every kind. One that lacks a part of the contract, or is missing here, does not compile. */
export const KINDS = { table, http, request, event, 'object-store': objectStore } as const satisfies Record<
  KindName,
  Kind
>;
