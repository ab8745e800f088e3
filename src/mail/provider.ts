/** One mail, complete: the same erasure and kind always give the same bytes. */
export type Message = { to: string; subject: string; html: string; text: string };

/**
 * How an attempt ended when it did not succeed. `retry`: refused for now. `later`: a quota, wait an
 * hour. `blocked`: about the sender or the configuration, an operator must mend it. `rejected`: about the
 * recipient, will never be accepted. `unknown`: it may have been sent.
 */
export type MailFailure = 'retry' | 'later' | 'blocked' | 'rejected' | 'unknown';

export class MailError extends Error {
  readonly failure: MailFailure;
  /** The provider's error name or a word of ours, never the provider's text: that may quote the address. */
  readonly code: string;

  constructor(failure: MailFailure, code: string) {
    super(`${failure}: ${code}`);
    this.name = 'MailError';
    this.failure = failure;
    this.code = code;
  }
}

/** Hands a mail over. The provider sends one mail per idempotency key. Returns its id; throws MailError. */
export type MailProvider = (message: Message, idempotencyKey: string) => Promise<string>;
