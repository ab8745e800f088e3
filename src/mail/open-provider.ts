import { outboxProvider } from './outbox.ts';
import type { MailProvider } from './provider.ts';
import { resendProvider } from './resend.ts';

/** The settings that say who sends; those of Resend are there where it is chosen. */
export type MailSettings = {
  LETHE_MAIL: 'resend' | 'outbox';
  LETHE_MAIL_OUTBOX: string;
  LETHE_MAIL_FROM?: string | undefined;
  RESEND_API_KEY?: string | undefined;
  RESEND_BASE_URL: string;
};

/** Resend, or a local folder. */
export function openProvider(settings: MailSettings): MailProvider {
  if (settings.LETHE_MAIL === 'outbox') return outboxProvider(settings.LETHE_MAIL_OUTBOX);
  return resendProvider({
    apiKey: settings.RESEND_API_KEY as string,
    baseUrl: settings.RESEND_BASE_URL,
    from: settings.LETHE_MAIL_FROM as string,
  });
}
