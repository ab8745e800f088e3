/** One mail, complete: the same erasure and kind always give the same bytes. */
export type Message = { to: string; subject: string; html: string; text: string };

/**
 * How an attempt ended when it did not succeed. `retry`: refused for now. `later`: a quota, wait an
 * hour. `rejected`: will never be accepted. `unknown`: it may have been sent.
 */
export type MailFailure = 'retry' | 'later' | 'rejected' | 'unknown';

export class MailError extends Error {
  readonly failure: MailFailure;
  /** The provider's error name, never its text: that may quote the address. */
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
