import type { Redis } from 'ioredis';

/** The account's key, and what else a partner is told. The `data` of the event. */
export type Asked = {
  /** The id of the event: the same each time that it comes. */
  task: string;
  erasure: string;
  partner: string;
  /** The account's key: each column by its name. */
  account: Record<string, string>;
  /** ISO 8601. Erase only what is older: somebody new may have the key. */
  requestedAt: string;
  /** Erase what belongs to these keys, and nothing else. Absent: all that the account has. */
  keys?: string[];
  values?: Record<string, string | null>;
  acknowledge: { url: string; token: string };
};

export type ConsumeOptions = {
  /** An address, or a connection whose options are used for connections of the consumer's own. */
  redis: string | Redis;
  /** The consumer group: one name for all processes of a partner. */
  group: string;
  /** A name that no other process of the group has. Default: host, process and a random text. */
  consumer?: string;
  /** Default: `{lethe}:events`. */
  stream?: string;
  /** The partner's name in the catalog: events of others are passed over. Absent: all events are taken. */
  partner?: string;
  /** The secret or secrets (Standard Webhooks, `whsec_…`): events without a good signature go to the dead letters. */
  secret?: string;
  /**
   * Erases what the event asks for; `signal` is the consumer's own. What it throws is a failure, and the event is tried again.
   * `not_found`, or a promise of it, says that there was nothing. Whatever else it gives says that it is erased.
   */
  handle: (asked: Asked, signal: AbortSignal) => unknown;
  /** Tells Lethe. Default: over HTTP, to `acknowledge.url` with `acknowledge.token`. */
  acknowledge?: (asked: Asked, status: 'erased' | 'not_found', signal: AbortSignal) => Promise<void>;
  /** Tries of one event, and the pauses between them in milliseconds. The last pause is used again. Default: 5 tries. */
  retries?: { tries?: number; pausesMs?: readonly number[] };
  /** Where events go that have failed each time. Default: `<stream>:dead:<group>`. */
  deadLetters?: string;
  /** A consumer that has said nothing for so long is dead, and its events are taken over. Default: a minute. */
  deadAfterMs?: number;
  /** Stops the consumer: what is being handled is finished first. */
  signal?: AbortSignal;
  /** Told of what goes wrong, in words without personal data. Default: standard error. */
  onProblem?: (words: string, error?: unknown) => void;
};

/** Options with every default in its place. */
export type Settings = Required<Omit<ConsumeOptions, 'partner' | 'secret' | 'signal' | 'retries' | 'redis'>> & {
  partner: string | undefined;
  secret: string | undefined;
  signal: AbortSignal;
  tries: number;
  pausesMs: readonly number[];
};
