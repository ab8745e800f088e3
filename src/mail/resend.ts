import { Resend } from 'resend';
import { MailError, type MailFailure, type MailProvider } from './provider.ts';

/** The SDK has no timeout of its own. */
const TIMEOUT_MS = 10_000;

/** What the API's error names mean for us (https://resend.com/docs/api-reference/errors). */
const FAILURES: Record<string, MailFailure> = {
  rate_limit_exceeded: 'retry',
  concurrent_idempotent_requests: 'retry',
  daily_quota_exceeded: 'later',
  monthly_quota_exceeded: 'later',
  // Answers that the server gives after it may have taken the mail.
  application_error: 'unknown',
  internal_server_error: 'unknown',
  // The key was used with another body: that mail has been taken, and this one must not go.
  invalid_idempotent_request: 'unknown',
  // A wrong key is mended by the operator; the mail waits for that.
  missing_api_key: 'later',
  invalid_api_key: 'later',
  restricted_api_key: 'later',
};

/** Sends through Resend. The SDK returns errors instead of throwing them; here they are thrown. */
export function resendProvider(options: {
  apiKey: string;
  baseUrl: string;
  from: string;
  timeoutMs?: number;
}): MailProvider {
  const client = new Resend(options.apiKey, { baseUrl: options.baseUrl.replace(/\/$/, '') });
  return async (message, idempotencyKey) => {
    const signal = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
    const { data, error } = await client.emails
      .send({ from: options.from, ...message }, { idempotencyKey, signal })
      .catch(() => {
        throw new MailError('unknown', 'timeout');
      });
    if (error) throw new MailError(FAILURES[error.name] ?? 'rejected', signal.aborted ? 'timeout' : error.name);
    return data.id;
  };
}
