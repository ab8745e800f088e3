import { classify } from '../answer.ts';
import type { Message } from '../message.ts';
import type { Answered } from '../request.ts';

/** What was asked with success: it is done, or an acknowledgement is awaited. */
export type Standing = { readonly message: Message; readonly kind: 'done' | 'accepted' };

/**
 * Whether a second answer to the same message says what the first did. What was accepted may be done meanwhile. What was
 * done is not scheduled again, and what was erased is not `not_found`: the evidence would say that nothing was there.
 */
export function isAlike(first: Answered, second: Answered, task: string): boolean {
  const [before, after] = [classify(first, task), classify(second, task)];
  if (before.kind === 'accepted') return after.kind !== 'later';
  return after.kind === 'done' && statusOf(first) === statusOf(second);
}

/** `204` says erased as well. */
const statusOf = ({ status, body }: Answered): unknown =>
  status === 204 ? 'erased' : (JSON.parse(body) as { status?: unknown }).status;
